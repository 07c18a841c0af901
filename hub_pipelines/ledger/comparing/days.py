"""Days in rows that stand in columns, compared without reading the rows one by one. Pure."""

from typing import TYPE_CHECKING, Any

from hub_pipelines.common.columns import ends_of, letters_of

if TYPE_CHECKING:
    import numpy
    import pyarrow


def says_later(values: "pyarrow.Array", beginning: str, day: str) -> "numpy.ndarray[Any, Any]":
    """Of each text whether as many letters as `day` has, behind `beginning`, come after it."""
    import numpy
    from pyarrow import compute

    letters = numpy.frombuffer(bytes(letters_of(values)) + bytes(len(day)), numpy.uint8)
    at = compute.find_substring(values, beginning).to_numpy(zero_copy_only=False)
    has = numpy.flatnonzero(at >= 0)
    first = numpy.array(ends_of(values)[:-1], numpy.int64)[has] + at[has] + len(beginning.encode())
    said = letters[first[:, None] + numpy.arange(len(day))].view(f"S{len(day)}").ravel()
    later = numpy.zeros(len(values), bool)
    later[has] = said > day.encode()
    return later
