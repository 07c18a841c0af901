"""What the digest of a journal entry covers, and the digest over all entries of a posting. Pure.

An entry's digest is the SHA-256 of the canonical JSON of its parts in a fixed order, whatever tables keep them; its
time of posting is told by the audit entry and is no part of it. A posting's digest is the root of a Merkle tree over
them (TREE) or, of postings made before there were trees, the hash of all of them in a row (CHAIN).
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from json.encoder import encode_basestring
from typing import Any, NamedTuple

from hub_pipelines.audit.tree import Tree
from hub_pipelines.common.canonical import canonical_text
from hub_pipelines.ledger.model import TREE

_OF_POSTING = ("request_id", "revision", "campus", "contract_version")
_sha256 = hashlib.sha256


class Change(NamedTuple):
    """A journal entry without what all entries of its posting have in common. `values` is canonical JSON text."""

    row_no: int
    key: str
    operation: str
    values: str
    digest: str
    previous_version: int | None
    previous_row_no: int | None


def digester(ledger: str, version: int, of_posting: Mapping[Any, Any]) -> Callable[[Sequence[Any]], bytes]:
    """The function that digests the entries of one posting, each with the parts of a Change in their order.

    It writes out canonical_text([ledger, version, row_no, …, ledger_date]) by hand: with a million entries that is most
    of the work. A test holds the two against each other.
    """
    day: date = of_posting["ledger_date"]
    head = canonical_text([ledger, version])[:-1].encode("utf-8")
    tail = canonical_text([*(of_posting[name] for name in _OF_POSTING), day.isoformat()])[1:].encode("utf-8")
    quoted, sha256 = encode_basestring, _sha256

    def digest_of(one: Sequence[Any]) -> bytes:
        row_no, key, operation, values, digest, before, before_row = one
        middle = (
            f",{row_no},{quoted(key)},{quoted(operation)},{quoted(values)},{quoted(digest)},"
            f"{'null' if before is None else before},{'null' if before_row is None else before_row},"
        )
        return sha256(head + middle.encode("utf-8") + tail).digest()

    return digest_of


def entry_digest(entry: Mapping[Any, Any]) -> bytes:
    """Of one journal entry with all its parts."""
    digest_of = digester(entry["ledger"], entry["version"], entry)
    return digest_of(Change(*(entry[name] for name in Change._fields)))


def entry_digests(entries: Iterable[Mapping[Any, Any]]) -> Iterator[bytes]:
    """Of each of many journal entries; those of one posting follow each other."""
    parts = ("ledger", "version", *_OF_POSTING, "ledger_date")
    of_posting: tuple[Any, ...] | None = None
    for entry in entries:
        if (now := tuple([entry[name] for name in parts])) != of_posting:
            of_posting, digest_of = now, digester(entry["ledger"], entry["version"], entry)
        yield digest_of([entry[name] for name in Change._fields])


def rows_digest(digests: Iterable[bytes], digest_version: int) -> str:
    """Over the digests of all entries of a posting, in the order of their rows."""
    if digest_version == TREE:
        return Tree(digests).root().hex()
    chained = _sha256()
    for one in digests:
        chained.update(one)
    return chained.hexdigest()
