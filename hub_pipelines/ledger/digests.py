"""What the digest of a journal entry covers, and the digest over all entries of a posting. Pure.

An entry's digest is made of the canonical JSON of its parts in a fixed order, whatever tables keep them; its time of
posting is told by the audit entry and is no part of it. A posting's digest is the root of a Merkle tree that has
its entries as leaves, and values in them by their own digest (LEAVES, decisions/0081). Former postings had the values
there too and hashed an entry's digest once more to a leaf (TREE), or hashed all digests in a row (CHAIN).
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby, islice, pairwise
from json.encoder import encode_basestring
from typing import TYPE_CHECKING, Any, NamedTuple

from hub_pipelines.audit.tree import LEAF, Tree, leaf
from hub_pipelines.common.canonical import canonical_text, sha256_hex
from hub_pipelines.common.columns import ends_of, has_control_letters, letters_of, listed
from hub_pipelines.ledger.model import CHAIN, LEAVES, TREE

if TYPE_CHECKING:
    import pyarrow

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


@dataclass(frozen=True, slots=True)
class ChangeColumns:
    """Many changes of one posting as columns of equal length, without nulls but in the last two. What is alike in all
    of them is no column: the operation, values that nobody asks for, and with None that nothing is replaced."""

    row_no: "pyarrow.Array"
    key: "pyarrow.Array"
    operation: "str | pyarrow.Array"
    values: "str | pyarrow.Array"
    digest: "pyarrow.Array"
    previous_version: "pyarrow.Array | None"
    previous_row_no: "pyarrow.Array | None"

    def __len__(self) -> int:
        return len(self.row_no)

    @staticmethod
    def of(changes: Sequence[Sequence[Any]]) -> "ChangeColumns":
        """Each with the parts of a Change in their order."""
        import pyarrow

        kinds = [pyarrow.int64(), *[pyarrow.string()] * 4, *[pyarrow.int64()] * 2]
        columns = zip(*changes, strict=True) if changes else [()] * len(kinds)
        return ChangeColumns(*(pyarrow.array(one, kind) for one, kind in zip(columns, kinds, strict=True)))

    @property
    def named(self) -> tuple["pyarrow.Array", ...]:
        """The columns of texts that an entry's digest has as they are."""
        return (self.key,) if isinstance(self.operation, str) else (self.key, self.operation)

    def slices(self, rows: int) -> Iterator["ChangeColumns"]:
        """So many rows at a time."""
        for at in range(0, len(self), rows):
            parts = (getattr(self, name) for name in Change._fields)
            yield ChangeColumns(*(one if one is None or isinstance(one, str) else one[at : at + rows] for one in parts))

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """Each with the parts of a Change in their order."""
        parts = (getattr(self, name) for name in Change._fields)
        columns = ([one] * len(self) if one is None or isinstance(one, str) else listed(one) for one in parts)
        return zip(*columns, strict=True)


def digester(ledger: str, version: int, of_posting: Mapping[Any, Any], digest_version: int) -> Digests:
    """The function that digests entries of one posting, each with the parts of a Change in their order.

    It writes canonical_text([ledger, version, row_no, …, ledger_date]) out by hand: with a million entries that is most
    of the work. A test holds the two against each other. Numbers go through repr, since SQLite keeps a text such as
    `null` in a column of numbers too.
    """
    head, tail = around(ledger, version, of_posting)
    return _leaves_of(head, tail, _vouched) if digest_version == LEAVES else _digests_with_values(head, tail)


def around(ledger: str, version: int, of_posting: Mapping[Any, Any]) -> tuple[str, str]:
    """What stands before and behind an entry's own parts."""
    day: date = of_posting["ledger_date"]
    told = [*(of_posting[name] for name in _OF_POSTING), day.isoformat()]
    return canonical_text([ledger, version])[:-1], canonical_text(told)[1:]


def _digests_with_values(head: str, tail: str) -> Digests:
    """As postings had them until there were LEAVES, and as snapshots have them."""
    quoted, sha256 = encode_basestring, _sha256

    def digests_of(entries: Sequence[Sequence[Any]]) -> list[bytes]:
        return [
            sha256(
                f"{head},{row_no!r},{quoted(key)},{quoted(operation)},{quoted(values)},{quoted(digest)},"
                f"{'null' if before is None else repr(before)},"
                f"{'null' if before_row is None else repr(before_row)},{tail}".encode()
            ).digest()
            for row_no, key, operation, values, digest, before, before_row in entries
        ]

    return digests_of


def _leaves_of(head: str, tail: str, digest_of: Callable[[str, str], str]) -> Digests:
    quoted = encode_basestring

    def leaves_of(entries: Sequence[Sequence[Any]]) -> list[bytes]:
        return [
            leaf(
                f"{head},{row_no!r},{quoted(key)},{quoted(operation)},{quoted(digest_of(values, digest))},"
                f"{'null' if before is None else repr(before)},"
                f"{'null' if before_row is None else repr(before_row)},{tail}".encode()
            )
            for row_no, key, operation, values, digest, before, before_row in entries
        ]

    return leaves_of


def _vouched(values: str, digest: str) -> str:
    """The digest where the values have it; else what is no digest, so that no posting has such an entry."""
    found = sha256_hex(values.encode("utf-8"))
    return digest if found == digest else f"{digest} of {found}"


def _granted(_values: str, digest: str) -> str:
    return digest


def leaves_of_columns(head: str, tail: str) -> Callable[[ChangeColumns], list[bytes]]:
    """As `digester` does under LEAVES, of changes in columns, with what stands `around` them: Arrow puts their texts
    together at once. That the digests are those of the values is taken for granted, and values are not looked at."""

    def leaves_of(changes: ChangeColumns) -> list[bytes]:
        if any(map(has_control_letters, changes.named)):  # Arrow would need a step for each such letter
            return _leaves_of(head, tail, _granted)(list(changes.rows()))
        return sha256_of(_texts(f"{LEAF}{head}", tail, changes))

    return leaves_of


def _texts(head: str, tail: str, changes: ChangeColumns) -> "pyarrow.Array":
    """canonical_text of the parts of each change, but for its values."""
    from pyarrow import compute

    operation = changes.operation
    said = encode_basestring(operation) if isinstance(operation, str) else _quoted(operation)
    before = [
        "null" if one is None else compute.fill_null(compute.cast(one, "string"), "null")
        for one in (changes.previous_version, changes.previous_row_no)
    ]
    # nothing in a digest need be escaped
    row_no, digest = compute.cast(changes.row_no, "string"), _in_quotes(changes.digest)
    return compute.binary_join_element_wise(head, row_no, _quoted(changes.key), said, digest, *before, tail, ",")


def _quoted(texts: "pyarrow.Array") -> "pyarrow.Array":
    """As JSON has texts in which each letter is printed."""
    from pyarrow import compute

    for sign in ("\\", '"'):
        texts = compute.replace_substring(texts, sign, f"\\{sign}")
    return _in_quotes(texts)


def _in_quotes(texts: "pyarrow.Array") -> "pyarrow.Array":
    from pyarrow import compute

    return compute.binary_join_element_wise('"', texts, '"', "")


def sha256_of(texts: "pyarrow.Array") -> list[bytes]:
    """Of each text's UTF-8."""
    letters, sha256 = letters_of(texts), _sha256
    return [sha256(letters[start:end]).digest() for start, end in pairwise(ends_of(texts).tolist())]


def sha256_hex_of(texts: "pyarrow.Array") -> "pyarrow.Array":
    """The same in hexadecimal."""
    import pyarrow

    letters, sha256 = letters_of(texts), _sha256
    told = [sha256(letters[start:end]).hexdigest() for start, end in pairwise(ends_of(texts).tolist())]
    return pyarrow.array(told, pyarrow.string())


def entry_leaf(entry: Mapping[Any, Any], digest_version: int) -> bytes:
    """Of one journal entry with all its parts: what stands for it in its posting's tree."""
    (digest,) = digester(entry["ledger"], entry["version"], entry, digest_version)(
        [[entry[name] for name in Change._fields]]
    )
    return digest if digest_version == LEAVES else leaf(digest)


def leaves(digests: Iterable[bytes], digest_version: int) -> list[bytes]:
    """What stands for each entry in its posting's tree."""
    return list(digests) if digest_version == LEAVES else [*map(leaf, digests)]


def entry_digests(entries: Iterable[Mapping[Any, Any]]) -> Iterator[bytes]:
    """Of each of many journal entries with its values, as snapshots have them; those of one posting follow each
    other."""
    parts = ("ledger", "version", *_OF_POSTING, "ledger_date")
    for _, of_one in groupby(entries, key=lambda entry: [entry[name] for name in parts]):
        digests_of: Digests | None = None
        while some := list(islice(of_one, _AT_ONCE)):
            digests_of = digests_of or digester(some[0]["ledger"], some[0]["version"], some[0], TREE)
            yield from digests_of([[entry[name] for name in Change._fields] for entry in some])


def rows_digest(digests: Iterable[bytes], digest_version: int) -> str:
    """Over the digests of all entries of a posting, in the order of their rows."""
    if digest_version != CHAIN:
        tree = Tree()
        tree.extend_leaves(digests if digest_version == LEAVES else map(leaf, digests))
        return tree.root().hex()
    chained = _sha256()
    for one in digests:
        chained.update(one)
    return chained.hexdigest()
