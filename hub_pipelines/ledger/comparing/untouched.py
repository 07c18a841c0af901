"""Rows of a returned workbook that say only what the ledger held when it was made. Pure.

Belongs here: which rows those are (decisions/0123). Not here: which postings its sender had seen (returning.py), what
is told of them (remarks.py).
What is changed here changes what a backfill finds of older postings.
"""

from hub_pipelines.ledger.comparing.keeping import completed
from hub_pipelines.ledger.comparing.model import REPLACED, Entry


def is_untouched(values: str, then: Entry | None, said: frozenset[str] | None) -> bool:
    """Whether a row says nothing but what its item's entry said `then`; `said` are the file's columns."""
    if then is None or then.operation == REPLACED:
        return False
    return completed(values, then.values, said)[0] == then.values
