"""The values of columns: their different cells are looked at once, by the contract's own functions.

Not here: what makes a row good as a whole (judging.py).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any, cast

from pydantic import BaseModel, TypeAdapter, ValidationError

from hub_pipelines.validate.conventions.applying import Together
from hub_pipelines.validate.feeds.types import is_blank
from hub_pipelines.validate.model import Beside, Cell, Certain, Problem, Restored, Unclear
from hub_pipelines.validate.service import problem_of

if TYPE_CHECKING:
    import pyarrow

_KEPT = 10_000
"""Different cells of a column whose values are remembered from one batch to the next."""
_REST = object()
"""In place of the value of a cell that is not simply good."""


@dataclass(frozen=True, slots=True)
class ColumnType:
    """A column's values: of text or None, or an error. `name` is that of the column in the file where the contract
    does not know it, and then `is_known` is False."""

    name: str
    certain: Certain | None
    value_of: Callable[[Cell], object]
    is_known: bool = True

    def of(self, cell: Cell) -> object:
        """_REST where the contract refuses the cell, or conventions have marked it."""
        if isinstance(cell, Restored | Unclear):
            return _REST
        try:
            return self.value_of(cell)
        except ValidationError:
            return _REST

    def problem(self, cell: Cell) -> Problem | None:
        try:
            self.value_of(cell)
        except ValidationError as error:
            (found,) = error.errors(include_url=False)
            return problem_of({**found, "loc": (self.name,)})
        return None


class Columns:
    """Columns that are read together, and the values of their cells."""

    def __init__(self, together: Together, types: Sequence[ColumnType]) -> None:
        self.together = together
        self.types = types
        self._known: dict[tuple[object, ...], tuple[object, ...]] = {}
        self._refused: dict[tuple[object, ...], list[Problem] | None] = {}
        self._single: list[dict[str | None, object]] = [{} for _ in types]

    def values(self, columns: Sequence[Any], count: int) -> tuple[list["pyarrow.StringArray"], "pyarrow.BooleanArray"]:
        """Each column's values, and which rows are good in all of them."""
        import pyarrow
        from pyarrow import compute

        nothing = pyarrow.nulls(count, pyarrow.string())
        values = [nothing] * len(columns)
        if all(isinstance(one, pyarrow.StringArray) for one in columns):
            good = None
            for at, texts in enumerate(columns):
                values[at], certain = self._at_once(at, texts)
                good = certain if good is None else compute.and_(good, certain)
            rest = compute.invert(good)
            if not compute.any(rest).as_py():
                return values, good
            if len(columns) == 1:
                found = self._of_different(columns[0].filter(rest))
            else:
                found = self._of_rows([one.filter(rest).to_pylist() for one in columns])
        else:
            rest = pyarrow.repeat(True, count)
            good = pyarrow.repeat(False, count)
            found = self._of_rows([one if isinstance(one, list) else one.to_pylist() for one in columns])
        taken = pyarrow.array([one[0] is not _REST for one in found])
        good = compute.replace_with_mask(good, rest, taken)
        for at in range(len(columns)):
            made = pyarrow.array([None if one[0] is _REST else one[at] for one in found], pyarrow.string())
            values[at] = compute.replace_with_mask(values[at], rest, made)
        return values, good

    def _at_once(self, at: int, texts: "pyarrow.StringArray") -> tuple["pyarrow.StringArray", "pyarrow.BooleanArray"]:
        """The values of blank cells and of what is certain, and which they are."""
        import pyarrow
        from pyarrow import compute

        blank = self._blank(at)
        is_null = compute.is_null(texts)
        known = is_null if blank is not _REST else pyarrow.repeat(False, len(texts))
        certain, keeps = self.types[at].certain, self.together.keeps
        if keeps and certain is not None:
            covered = covered_by(certain, texts)
            values = certain.then(texts) if certain.then else texts
            known = compute.or_(known, covered)
        elif keeps and len(self.types) > 1:
            values, covered = self._named(at, texts)
            known = compute.or_(known, covered)
        else:
            values = texts
        if isinstance(blank, str):
            values = compute.if_else(is_null, blank, values)
        return values, known

    def _blank(self, at: int) -> object:
        single = self._single[at]
        if None not in single:
            single[None] = self.types[at].of(None) if self.together.keeps else _REST
        if len(self.types) == 1:
            return self._of((None,))[0]
        return single[None]

    def _named(self, at: int, texts: "pyarrow.StringArray") -> tuple["pyarrow.StringArray", "pyarrow.BooleanArray"]:
        """Of a column that repeats few words: those that stay as they are where all beside them does."""
        import pyarrow
        from pyarrow import compute

        given = self.together.given.get(self.together.positions[at])
        words = texts.dictionary_encode()
        single = self._single[at]
        found = []
        for word in words.dictionary.to_pylist():
            if word not in single:
                _make_room(single)
                single[word] = self.types[at].of(word) if given is None or given(word) else _REST
            found.append(single[word])
        values = pyarrow.array([one if isinstance(one, str) else None for one in found], pyarrow.string())
        covered = pyarrow.array([one is not _REST for one in found], pyarrow.bool_())
        return values.take(words.indices), compute.fill_null(covered.take(words.indices), False)

    def _of_different(self, texts: "pyarrow.StringArray") -> list[tuple[object, ...]]:
        words = texts.dictionary_encode()
        found = [self._of((word,)) for word in words.dictionary.to_pylist()]
        return [self._of((None,)) if code is None else found[code] for code in words.indices.to_pylist()]

    def _of_rows(self, columns: list[list[Cell]]) -> list[tuple[object, ...]]:
        return [self._of(cells) for cells in zip(*columns, strict=True)]

    def _of(self, cells: tuple[Cell, ...]) -> tuple[object, ...]:
        # equal cells of two kinds, such as 1, 1.0 and TRUE, are several
        key = tuple([cell if cell.__class__ is str else (cell.__class__, repr(cell)) for cell in cells])
        found = self._known.get(key)
        if found is None:
            _make_room(self._known)
            read = self.together.read(list(cells))
            values = [one.of(cell) for one, cell in zip(self.types, read, strict=True)]
            found = self._known[key] = (_REST,) * len(cells) if _REST in values else tuple(values)
        return found

    def refused(self, cells: tuple[Cell, ...]) -> list[Problem] | None:
        """What is wrong with cells that are not simply good; None where only their whole row tells."""
        key = tuple([cell if cell.__class__ is str else (cell.__class__, repr(cell)) for cell in cells])
        if key not in self._refused:
            _make_room(self._refused)
            read = self.together.read(list(cells))
            is_marked = any(isinstance(cell, Restored | Unclear) for cell in read)
            problems = (one.problem(cell) for one, cell in zip(self.types, read, strict=True))
            self._refused[key] = None if is_marked else [found for found in problems if found is not None]
        return self._refused[key]


def _make_room(known: dict[Any, Any]) -> None:
    if len(known) >= _KEPT:
        known.clear()


def covered_by(certain: Certain, texts: "pyarrow.StringArray") -> "pyarrow.BooleanArray":
    from pyarrow import compute

    covered = _matched(certain.pattern, texts)
    if certain.wider is not None:
        rest = compute.and_(compute.is_valid(texts), compute.invert(covered))
        if compute.any(rest).as_py():
            covered = compute.replace_with_mask(covered, rest, _matched(certain.wider, texts.filter(rest)))
    if certain.longest is not None and (compute.max(compute.binary_length(texts)).as_py() or 0) > certain.longest:
        short = compute.less_equal(compute.utf8_length(texts), certain.longest)
        covered = compute.and_(covered, compute.fill_null(short, False))
    if certain.also is not None and compute.any(covered).as_py():
        covered = compute.replace_with_mask(covered, covered, certain.also(texts.filter(covered)))
    return covered


def _matched(pattern: str, texts: "pyarrow.StringArray") -> "pyarrow.BooleanArray":
    from pyarrow import compute

    return compute.fill_null(compute.match_substring_regex(texts, f"^(?:{pattern})$"), False)


class Check:
    """A rule of one column that looks at others of its row: each different set of values is looked at once."""

    def __init__(self, name: str, check: Beside) -> None:
        self._names = (name, *check.columns)
        self._check = cast(Callable[[object, object], object], check.func)
        self._known: dict[tuple[object, ...], bool] = {}

    def good(self, values: dict[str, Any], good: Any) -> Any:
        import pyarrow

        rows = zip(*(values[name].to_pylist() for name in self._names), strict=True)
        found = [is_good and self._of(row) for is_good, row in zip(good.to_pylist(), rows, strict=True)]
        return pyarrow.array(found, pyarrow.bool_())

    def _of(self, row: tuple[object, ...]) -> bool:
        known = self._known.get(row)
        if known is None:
            _make_room(self._known)
            beside = SimpleNamespace(data=dict(zip(self._names[1:], row[1:], strict=True)))
            try:
                known = self._check(row[0], beside) == row[0]
            except ValueError:
                known = False
            self._known[row] = known
        return known


class Parse:
    """A column's own function, in the circumstances of a file."""

    def __init__(self, model: type[BaseModel], column: str, context: dict[str, object]) -> None:
        self._of = (model, column)
        self._context = context

    def __call__(self, cell: Cell) -> object:
        return _parser_of(*self._of)(cell, context=self._context)


@lru_cache(maxsize=1_000)  # pydantic takes longer to make one than it takes for a small file
def _parser_of(model: type[BaseModel], column: str) -> Callable[..., object]:
    """Without what looks at other columns: that is checked when all values are known."""
    field = model.model_fields[column]
    own = [kind for kind in field.metadata if not isinstance(kind, Beside)]
    adapter: TypeAdapter[object] = TypeAdapter(Annotated[(field.annotation, *own)])  # type: ignore[arg-type]
    return adapter.validate_python


def unknown_column(name: str) -> ColumnType:
    """A column outside the contract: its cells are kept as they are, but for blank ones."""
    certain = Certain("(?s:.*[!-~].*)")
    return ColumnType(name, certain, lambda cell: None if is_blank(cell) else str(cell), is_known=False)
