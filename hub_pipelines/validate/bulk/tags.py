"""The tags of many rows against the registry.

Not here: what is said of a tag (validate/service.py, TagCheck).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from hub_pipelines.common.columns import places_in
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
        """Each tag once and in order, with its campus, coded: columns of these names, each in one piece."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where the tags of a batch's rows stand in the whole registry."""

    ordered: Any
    """All registered tags."""
    of_rows: Any
    """Of each row its tag's place among them; null where it has no tag or an unknown one."""


@dataclass(frozen=True, slots=True)
class BatchTags:
    """What is known of the tags of a batch's rows."""

    different: Any
    """Each tag once."""
    campus_of: Any
    """In the same order their campuses, coded; null where a tag is not registered."""
    owners: Any
    """Of each row its tag's campus, coded; null where it has no tag or an unknown one."""
    shown: Any
    """Of each row the tag's cell as a report shows it."""
    places: Places | None

    def campuses(self, tags: Collection[str], registry: Registry) -> Mapping[str, str]:
        """As the registry tells them; what is known of the batch's tags it is not asked again."""
        import pyarrow
        from pyarrow import compute

        asked = pyarrow.array(list(tags), pyarrow.string())
        at = compute.index_in(asked, value_set=self.different)
        owners = zip(asked.to_pylist(), self.campus_of.take(at).to_pylist(), strict=True)
        found = {tag: owner for tag, owner in owners if owner is not None}
        # the tag of a row that is judged by itself need not be one of the column's
        others = asked.filter(compute.is_null(at)).to_pylist()
        return {**registry.campuses(others), **found} if others else found


class Tags:
    """Tags against the registry. One batch may be looked at while another one is judged."""

    def __init__(
        self, tag: TagColumn, record: RecordType, made: Sequence[Columns], check: TagCheck, registry: Registry
    ) -> None:
        self.column = tag.column
        self._at = tag.position
        together = next(one.together for one in made if self._at in one.together.positions)
        self._as_shown = Columns(together, [ColumnType(self.column, record.certain.get(self.column), shown)])
        self._check = check
        self._registry = registry
        self._listed: tuple[Any, Any] | None = None
        """All tags in order and their campuses, once a batch had many tags."""

    def of(self, batch: Gathered, values: dict[str, Any]) -> BatchTags:
        coded = values[self.column].dictionary_encode()
        different, of_rows = coded.dictionary, coded.indices
        (cells,), _ = self._as_shown.values([batch.column(self._at)], len(batch))
        if self._listed is None and len(different) > FEW_TAGS and isinstance(self._registry, Listed):
            table = self._registry.listed()
            self._listed = table["tag"].chunk(0), table["campus"].chunk(0)
        if self._listed is None:
            campus_of, places = self._asked(different.to_pylist()), None
        else:
            ordered, campuses = self._listed
            found = places_in(ordered, different)
            campus_of, places = campuses.take(found), Places(ordered, found.take(of_rows))
        return BatchTags(different, campus_of, campus_of.take(of_rows), cells, places)

    def _asked(self, different: Sequence[str]) -> Any:
        """The campuses of tags, coded; null where one is not registered."""
        import pyarrow

        known = self._registry.campuses(set(different))
        return pyarrow.array([known.get(tag) for tag in different], pyarrow.string()).dictionary_encode()

    def check(self, rows: list[JudgedRow], known: BatchTags) -> None:
        """As TagCheck does with single rows."""
        self._check.check(rows, lambda tags: known.campuses(tags, self._registry))

    def problems(self, known: BatchTags, at_once: "numpy.ndarray[Any, Any]") -> tuple[Any, int]:
        """What is told of tags of other campuses, as it is staged; null where nothing is. How many rows that is."""
        import pyarrow
        from pyarrow import compute

        fronts = [
            problems_json([self._check.elsewhere(owner, "")]).removesuffix(BEHIND_VALUE)
            if self._check.is_elsewhere(owner)
            else None
            for owner in known.owners.dictionary.to_pylist()
        ]
        if not any(fronts):
            return None, 0
        front = pyarrow.array(fronts, pyarrow.string()).take(known.owners.indices)
        front = compute.if_else(pyarrow.array(at_once), front, None)
        told = compute.binary_join_element_wise(front, escaped(known.shown), BEHIND_VALUE, "")
        return told, len(told) - told.null_count
