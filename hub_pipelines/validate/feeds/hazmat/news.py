"""What people are told when a container's row says something else than before.

Belongs here: what a change may mean. Not here: comparing rows (ledger/comparing), the contract.
"""

import re
from collections.abc import Mapping

from hub_pipelines.validate.model import Problem

_COMMON = frozenset(("waste", "wastes", "spent", "used", "unused", "and", "with", "in", "of", "solution", "mixture"))
"""Words that say nothing of what is in a container."""


def container_news(before: Mapping[str, object], after: Mapping[str, object]) -> list[Problem]:
    """Of a container that is said to hold something else: its number may be another container's, and what stood there
    is no longer listed. A label names the contents (40 CFR 262.17(a)(5), 29 CFR 1910.1200(f))."""
    was, now = (str(values.get("contents") or "") for values in (before, after))
    if not _words(was) or not _words(now) or _words(was) & _words(now):
        return []
    reason = f"It held {was}, and now holds {now}: the list says something else of the same container."
    fix = "If it is another container, give it a number of its own and list both; if it is right, nothing is to do"
    return [Problem("contents_changed", "contents", now, reason, fix, "warn")]


def _words(contents: str) -> set[str]:
    return set(re.findall(r"[^\W_]+", contents.casefold())) - _COMMON
