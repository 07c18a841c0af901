"""The tags of many rows against the registry.

Not here: what is said of a tag (validate/service.py, TagCheck).
"""

from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, cast, runtime_checkable

from hub_pipelines.validate.batches import Gathered
from hub_pipelines.validate.bulk.columns import Columns, ColumnType
from hub_pipelines.validate.bulk.staged import BEHIND_VALUE, escaped
from hub_pipelines.validate.judged import JudgedRow
from hub_pipelines.validate.model import RecordType, Registry
from hub_pipelines.validate.service import TagCheck, TagColumn, shown
from hub_pipelines.validate.staging import problems_json

if TYPE_CHECKING:
    import numpy
    import pyarrow

FEW_TAGS = 2_000
"""So many tags are asked for one by one rather than compared with the whole registry."""


@runtime_checkable
class Listed(Protocol):
    """A registry that can be had as a whole."""

    def listed(self) -> "pyarrow.Table":
        """Each tag once with its campus, in columns of these names."""


class Tags:
    """Tags against the registry."""

    def __init__(
        self, tag: TagColumn, record: RecordType, made: Sequence[Columns], check: TagCheck, registry: Registry
    ) -> None:
        self.column = tag.column
        self._at = tag.position
        together = next(one.together for one in made if self._at in one.together.positions)
        self._as_shown = Columns(together, [ColumnType(self.column, record.certain.get(self.column), shown)])
        self._check = check
        self._registry = registry
        self._different: Any = None
        """The tags of the batch, each once, and in the same order their campuses."""
        self._campus_of: Any = None
        self._owners: Any = None
        """Of each row its tag's campus, coded; null where it has no tag or an unknown one."""

    def known(self, values: dict[str, Any], good: Any) -> Any:
        """Which rows are good and have a registered tag."""
        from pyarrow import compute

        coded = values[self.column].dictionary_encode()
        self._different = coded.dictionary
        self._campus_of = self._campuses_of(coded.dictionary)
        self._owners = self._campus_of.take(coded.indices)
        return compute.and_(good, compute.is_valid(self._owners))

    def _campuses_of(self, different: Any) -> Any:
        """Coded; null where a tag is not registered."""
        import numpy
        import pyarrow
        from pyarrow import compute

        if len(different) <= FEW_TAGS or not isinstance(self._registry, Listed):
            known = self._registry.campuses(set(different.to_pylist()))
            owners = pyarrow.array([known.get(tag) for tag in different.to_pylist()], pyarrow.string())
            return owners.dictionary_encode()
        listed = self._listed
        at = compute.index_in(listed["tag"], value_set=different)
        campuses = listed["campus"]
        codes = numpy.full(len(different), -1, numpy.int32)
        found = compute.is_valid(at)
        codes[at.drop_null().to_numpy(zero_copy_only=False)] = campuses.indices.filter(found).to_numpy()
        return pyarrow.DictionaryArray.from_arrays(pyarrow.array(codes, mask=codes < 0), campuses.dictionary)

    def check(self, rows: list[JudgedRow]) -> None:
        """As TagCheck does with single rows; what is known of the batch's tags is not asked again."""
        self._check.check(rows, self._campuses)

    def _campuses(self, tags: Collection[str]) -> Mapping[str, str]:
        import pyarrow
        from pyarrow import compute

        asked = pyarrow.array(list(tags), pyarrow.string())
        at = compute.index_in(asked, value_set=self._different)
        owners = zip(asked.to_pylist(), self._campus_of.take(at).to_pylist(), strict=True)
        found = {tag: owner for tag, owner in owners if owner is not None}
        # the tag of a row that is judged by itself need not be one of the column's
        others = asked.filter(compute.is_null(at)).to_pylist()
        return {**self._registry.campuses(others), **found} if others else found

    @cached_property
    def _listed(self) -> dict[str, Any]:
        table = cast(Listed, self._registry).listed()
        campuses = table["campus"].combine_chunks().dictionary_encode()
        return {"tag": table["tag"].combine_chunks(), "campus": campuses}

    def shown(self, batch: Gathered) -> Any:
        """Each tag's cell as a report shows it."""
        (tags,), _ = self._as_shown.values([batch.column(self._at)], len(batch))
        return tags

    def problems(self, batch: Gathered, at_once: "numpy.ndarray[Any, Any]") -> tuple[Any, int]:
        """What is told of tags of other campuses, as it is staged; null where nothing is. How many rows that is."""
        import pyarrow
        from pyarrow import compute

        fronts = [
            problems_json([self._check.elsewhere(owner, "")]).removesuffix(BEHIND_VALUE)
            if self._check.is_elsewhere(owner)
            else None
            for owner in self._owners.dictionary.to_pylist()
        ]
        if not any(fronts):
            return None, 0
        front = pyarrow.array(fronts, pyarrow.string()).take(self._owners.indices)
        front = compute.if_else(pyarrow.array(at_once), front, None)
        told = compute.binary_join_element_wise(front, escaped(self.shown(batch)), BEHIND_VALUE, "")
        return told, len(told) - told.null_count
