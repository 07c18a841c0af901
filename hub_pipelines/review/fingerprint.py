"""What two failures have in common: the fingerprint by which review items are grouped. Pure.

Belongs here: what counts as the same failure. Not here: when an item is filed (store) and what is done with a group.
A fingerprint is made of the error's type, the review cause, the reason without what differs from file to file, and
the place in our own code that raised it: file and function, no line number, so that it outlives unrelated edits
and is the same on every machine (decisions/0024).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from hub_pipelines.common.canonical import sha256_hex

_OWN_PACKAGE = "hub_pipelines/"
_FRAME = re.compile(r'^\s*File "(?P<path>[^"]+)", line \d+, in (?P<function>\S+)', re.M)
# in this order: what stands in quotation marks or brackets is a detail, whatever it looks like
_DETAILS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\"[^\"]*\"|'[^']*'(?!\w)|“[^”]*”|‘[^’]*’|`[^`]*`"), "‹text›"),
    (re.compile(r"\([^()]*\)"), "‹text›"),
    (re.compile(r"\b[a-z][a-z0-9_]*-[a-z][a-z0-9_]*-[a-z2-7]{30}\b"), "‹id›"),
    (re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", re.I), "‹id›"),
    (re.compile(r"\b(?=[0-9a-f]*\d)[0-9a-f]{8,}\b", re.I), "‹id›"),
    (re.compile(r"\S+@\S+\.\w+"), "‹name›"),
    (re.compile(r"(?:\S*/)+\S+"), "‹name›"),
    (re.compile(r"\b[\w.+-]+\.(?:csv|tsv|txt|xlsx|xlsm|xlsb|xls|ods|json|parquet)\b", re.I), "‹name›"),
    (re.compile(r"\b\w*\d\w*(?:[.,:-]\w*\d\w*)*"), "‹number›"),
    (re.compile(r"\s+"), " "),
)


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """`place` is empty when no frame of our own code is known, such as for a worker that was killed."""

    error_type: str
    cause: str
    pattern: str
    place: str

    @property
    def group(self) -> str:
        """The short name by which people call the group."""
        parts = ("review-fingerprint-1", self.error_type, self.cause, self.pattern, self.place)
        return "g-" + sha256_hex("\n".join(parts).encode("utf-8"))[:10]


def fingerprint_of(*, error_type: str, cause: str, reason: str, trace: str, names: Iterable[str] = ()) -> Fingerprint:
    """`names` are words of this one submission (its file, campus and feed) that the reason may hold."""
    return Fingerprint(error_type, cause, pattern_of(reason, names), place_of(trace))


def pattern_of(reason: str, names: Iterable[str] = ()) -> str:
    """The reason with names, numbers and ids taken out."""
    for name in sorted(filter(None, names), key=len, reverse=True):
        reason = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", "‹name›", reason)
    for detail, instead in _DETAILS:
        reason = detail.sub(instead, reason)
    return reason.strip()


def place_of(trace: str) -> str:
    """`validate/columns.py:_twice`: the last frame of our own code, where the error that was recorded was raised."""
    own = ""
    for frame in _FRAME.finditer(trace):
        folder, package, file = frame["path"].replace("\\", "/").rpartition(_OWN_PACKAGE)
        # a virtual environment may stand in a clone of the same name
        foreign = "lib/python" in file or "site-packages/" in file
        if package and (not folder or folder.endswith("/")) and not foreign:
            own = f"{file}:{frame['function']}"
    return own
