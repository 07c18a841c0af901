"""The different cells of a column and how often each is there, so that equal ones are looked at once.

Belongs here: counting, and which texts are alike to a tally. Not here: what a tally makes of them (dates, numbers,
identifiers), conclusions (deciding).
Texts of one form are counted as the first of them: of a million numbers hardly a hundred tell different things. What is
alike must be so to the tally in all but its sample, which then is the first one's as well.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from hub_pipelines.validate.batches import Gathered
from hub_pipelines.validate.conventions.model import LONGEST
from hub_pipelines.validate.model import Cell

if TYPE_CHECKING:
    import pyarrow

_FEW_ROWS = 10_000
"""Below these loading Arrow takes longer than counting one by one."""

_DIGITS = bytes.maketrans(b"0123456789", b"9" * 10)
_NOT_ZERO = bytes.maketrans(b"123456789", b"9" * 9)

Counted = tuple[Cell, int, int]
"""A cell, how often it is there, and the number of the first row that has it."""

Forms = Callable[["pyarrow.StringArray"], "pyarrow.StringArray"]


def counted(batch: Gathered, at: int, forms: Forms | None) -> Iterator[Counted]:
    """In the order of these rows. Blank cells and long ones are left out."""
    if len(batch) < _FEW_ROWS:
        return counted_cells(zip(batch.numbers, batch.cells(at), strict=True))
    column = batch.column(at)
    if isinstance(column, list):
        return counted_cells(zip(batch.numbers, column, strict=True))
    return _counted_texts(column, batch.numbers, forms)


def counted_cells(cells: Iterator[tuple[int, Cell]]) -> Iterator[Counted]:
    found: dict[tuple[type, Cell], list[int]] = {}
    for row_no, cell in cells:
        if cell is None or (type(cell) is str and len(cell) > LONGEST):
            continue
        # typed: TRUE is not 1
        known = found.get((type(cell), cell))
        if known is None:
            found[type(cell), cell] = [1, row_no]
        else:
            known[0] += 1
    for (_, cell), (count, row_no) in found.items():
        yield cell, count, row_no


def _counted_texts(texts: Any, numbers: Sequence[int], forms: Forms | None) -> Iterator[Counted]:
    import numpy
    from pyarrow import compute

    if (compute.max(compute.binary_length(texts)).as_py() or 0) > LONGEST:
        texts = compute.if_else(compute.greater(compute.utf8_length(texts), LONGEST), None, texts)
    rows = numpy.flatnonzero(compute.is_valid(texts).to_numpy(zero_copy_only=False))
    texts = texts.drop_null()
    coded = (texts if forms is None else forms(texts)).dictionary_encode()
    codes = coded.indices.to_numpy()
    counts = numpy.bincount(codes, minlength=len(coded.dictionary))
    first = numpy.empty(len(counts), numpy.int64)
    # of several the last assignment stays
    first[codes[::-1]] = numpy.arange(len(codes))[::-1]
    for cell, count, row in zip(texts.take(first).to_pylist(), counts.tolist(), rows[first].tolist(), strict=True):
        yield cell, count, numbers[row]


def forms_of_numbers(texts: "pyarrow.StringArray") -> "pyarrow.StringArray":
    """To a NumberTally digits differ as far as they are zero."""
    from pyarrow import compute

    is_bare = compute.match_substring_regex(texts, r"^[+-]?[0-9.,]+$")
    return compute.if_else(is_bare, _translated(texts, _NOT_ZERO), texts)


def forms_of_identifiers(texts: "pyarrow.StringArray") -> "pyarrow.StringArray":
    """To an IdentifierTally digits are alike, but for a zero in front; what begins with no digit is alike."""
    from pyarrow import compute

    front = compute.if_else(compute.starts_with(texts, "0"), "0", "")
    digits = compute.binary_join_element_wise(front, _translated(texts, _DIGITS), "")
    return compute.if_else(compute.match_substring_regex(texts, "^[!-/:-~]"), "-", digits)


def _translated(texts: "pyarrow.StringArray", signs: bytes) -> "pyarrow.StringArray":
    """Texts with ASCII signs changed into others: no byte of a longer letter is one of them."""
    import pyarrow

    valid, offsets, data = texts.buffers()
    if data is None:
        return texts
    changed = pyarrow.py_buffer(data.to_pybytes().translate(signs))
    return pyarrow.StringArray.from_buffers(len(texts), offsets, changed, valid, texts.null_count, texts.offset)


def forms_of_cas(texts: "pyarrow.StringArray") -> "pyarrow.StringArray":
    """To a CasTally numbers with hyphens are alike."""
    from pyarrow import compute

    return compute.if_else(compute.match_substring_regex(texts, r"^[0-9]+-[0-9]+-[0-9]$"), "-", texts)
