"""Cells that we write for spreadsheet programs to open.

Belongs here: keeping a value from being taken for a formula. Not here: reading what others wrote (validate).
"""

_BEGINS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def safe_cell(value: object) -> object:
    """A cell that a spreadsheet will not take for a formula; plain negative numbers stay numbers."""
    if isinstance(value, str) and value.startswith(_BEGINS_A_FORMULA):
        try:
            float(value)
        except ValueError:
            return "'" + value
    return value
