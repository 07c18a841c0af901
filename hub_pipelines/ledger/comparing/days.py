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

    letters = numpy.frombuffer(b"".join((letters_of(values), bytes(len(day)))), numpy.uint8)
    begins = compute.find_substring(values, beginning).to_numpy(zero_copy_only=False)
    row = numpy.flatnonzero(begins >= 0)
    at = ends_of(values)[:-1][row] + begins[row] + len(beginning.encode())
    later = numpy.zeros(len(values), bool)
    # letter by letter, so that most are decided by their year
    for letter in day.encode():
        said = letters[at]
        later[row[said > letter]] = True
        alike = said == letter
        row, at = row[alike], at[alike] + 1
    return later
