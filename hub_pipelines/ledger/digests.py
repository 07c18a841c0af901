"""What the digest of a journal entry covers, and the digest over all entries of a posting. Pure.

An entry's digest is the SHA-256 of the canonical JSON of its parts in a fixed order, whatever tables keep them; its
time of posting is told by the audit entry and is no part of it. A posting's digest is the root of a Merkle tree over
them (TREE) or, of postings made before there were trees, the hash of all of them in a row (CHAIN).
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from itertools import groupby, islice
from json.encoder import encode_basestring
from typing import Any, NamedTuple

from hub_pipelines.audit.tree import Tree
from hub_pipelines.common.canonical import canonical_text
from hub_pipelines.ledger.model import TREE

_OF_POSTING = ("request_id", "revision", "campus", "contract_version")
_AT_ONCE = 1_000
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


Digests = Callable[[Sequence[Sequence[Any]]], list[bytes]]


def digester(ledger: str, version: int, of_posting: Mapping[Any, Any]) -> Digests:
    """The function that digests entries of one posting, each with the parts of a Change in their order.

    It writes out canonical_text([ledger, version, row_no, …, ledger_date]) by hand: with a million entries that is most
    of the work. A test holds the two against each other.
    """
    day: date = of_posting["ledger_date"]
    head = canonical_text([ledger, version])[:-1]
    tail = canonical_text([*(of_posting[name] for name in _OF_POSTING), day.isoformat()])[1:]
    quoted, sha256 = encode_basestring, _sha256

    def digests_of(entries: Sequence[Sequence[Any]]) -> list[bytes]:
        return [
            sha256(
                f"{head},{row_no},{quoted(key)},{quoted(operation)},{quoted(values)},{quoted(digest)},"
                f"{'null' if before is None else before},{'null' if before_row is None else before_row},{tail}".encode()
            ).digest()
            for row_no, key, operation, values, digest, before, before_row in entries
        ]

    return digests_of


def entry_digest(entry: Mapping[Any, Any]) -> bytes:
    """Of one journal entry with all its parts."""
    (digest,) = digester(entry["ledger"], entry["version"], entry)([[entry[name] for name in Change._fields]])
    return digest


def entry_digests(entries: Iterable[Mapping[Any, Any]]) -> Iterator[bytes]:
    """Of each of many journal entries; those of one posting follow each other."""
    parts = ("ledger", "version", *_OF_POSTING, "ledger_date")
    for _, of_one in groupby(entries, key=lambda entry: [entry[name] for name in parts]):
        digests_of: Digests | None = None
        while some := list(islice(of_one, _AT_ONCE)):
            digests_of = digests_of or digester(some[0]["ledger"], some[0]["version"], some[0])
            yield from digests_of([[entry[name] for name in Change._fields] for entry in some])


def rows_digest(digests: Iterable[bytes], digest_version: int) -> str:
    """Over the digests of all entries of a posting, in the order of their rows."""
    if digest_version == TREE:
        return Tree(digests).root().hex()
    chained = _sha256()
    for one in digests:
        chained.update(one)
    return chained.hexdigest()
