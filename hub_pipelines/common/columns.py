"""Columns of text and whole numbers on their way into a database, without an object for each cell where it can be.

Belongs here: what Arrow's columns become for a driver. Not here: the statement that takes them (store.insert_columns).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy
    import pyarrow

_ESCAPED_IN_COPY = (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r"))
"""What PostgreSQL's text format takes for something else; the sign that escapes comes first."""
_FIRST_PRINTED = 0x20


def listed(column: "pyarrow.Array") -> list[Any]:
    """Several times as fast as `to_pylist`, which makes a scalar of each value first."""
    if not column.null_count or not _is_number(column):
        texts: list[Any] = column.to_numpy(zero_copy_only=False).tolist()
        return texts
    numbers = column.fill_null(0).to_numpy(zero_copy_only=False).astype(object)
    numbers[column.is_null().to_numpy(zero_copy_only=False)] = None
    found: list[Any] = numbers.tolist()
    return found


def places_in(ordered: "pyarrow.StringArray", texts: "pyarrow.StringArray") -> "pyarrow.Int64Array":
    """Where each text stands among different ones in order; null where it does not. No index over those is made, which
    of a million takes longer than finding thousands."""
    import pyarrow
    from pyarrow import compute

    if not len(ordered):
        return pyarrow.nulls(len(texts), pyarrow.int64())
    at = compute.cast(compute.search_sorted(ordered, texts), pyarrow.int64())
    at = compute.min_element_wise(at, len(ordered) - 1)
    return compute.if_else(compute.equal(ordered.take(at), texts), at, None)


def copied(columns: Sequence["pyarrow.Array"], before: str = "") -> memoryview:
    """Rows as COPY takes them in PostgreSQL's text format; each begins with `before`, which is in it already."""
    from pyarrow import compute

    cells = [compute.cast(one, "string") if _is_number(one) else _escaped(one) for one in columns]
    rows = compute.binary_join_element_wise(*cells, "\t", null_handling="replace", null_replacement="\\N")
    lines = compute.binary_join_element_wise(before, rows, "\n", "")
    return letters_of(lines)


def copied_values(values: Sequence[str | int | None]) -> str:
    """Cells that are alike in all rows, each with what stands behind it (copied)."""
    told = []
    for value in values:
        cell = "\\N" if value is None else str(value)
        for sign, written in _ESCAPED_IN_COPY if value is not None else ():
            cell = cell.replace(sign, written)
        told.append(f"{cell}\t")
    return "".join(told)


def letters_of(texts: "pyarrow.Array") -> memoryview:
    """The UTF-8 of all texts in a row."""
    _, ends, letters = texts.buffers()
    if not len(texts) or letters is None:
        return memoryview(b"")
    first, last = memoryview(ends).cast("i")[texts.offset], memoryview(ends).cast("i")[texts.offset + len(texts)]
    return memoryview(letters)[first:last]


def ends_of(texts: "pyarrow.Array") -> "numpy.ndarray[Any, Any]":
    """Where in `letters_of` each text ends, with a 0 before them."""
    import numpy

    if not len(texts):
        return numpy.zeros(1, numpy.int32)
    ends = numpy.frombuffer(texts.buffers()[1], numpy.int32)[texts.offset : texts.offset + len(texts) + 1]
    found: numpy.ndarray[Any, Any] = ends - ends[0]
    return found


def has_control_letters(texts: "pyarrow.Array") -> bool:
    """Whether there is a letter in them that is not printed, such as a tab."""
    import numpy

    return bool((numpy.frombuffer(letters_of(texts), numpy.uint8) < _FIRST_PRINTED).any())


def _escaped(texts: "pyarrow.Array") -> "pyarrow.Array":
    from pyarrow import compute

    for sign, written in _ESCAPED_IN_COPY if has_control_letters(texts) else _ESCAPED_IN_COPY[:1]:
        texts = compute.replace_substring(texts, sign, written)
    return texts


def _is_number(column: "pyarrow.Array") -> bool:
    import pyarrow

    return bool(pyarrow.types.is_integer(column.type))
