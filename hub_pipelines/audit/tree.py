"""A Merkle tree over digests, as RFC 6962 section 2.1 defines it: of a posting's journal entries, of the envelopes that
are signed together. Pure.

One root, in the audit chain or under a signature, stands for any number of them, and a proof of about 20 digests shows
that a given one is among a million. Leaves and nodes are hashed with different first bytes, so that none can be passed
off as the other. Not here: what a digest covers (ledger/digests.py, intake/signing.py).
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence

LEAF = "\x00"
_LEAF = LEAF.encode("ascii")
_NODE = b"\x01"
_sha256 = hashlib.sha256


def leaf(data: bytes) -> bytes:
    """What stands for it in a tree."""
    return _sha256(_LEAF + data).digest()


def _node(left: bytes, right: bytes) -> bytes:
    return _sha256(_NODE + left + right).digest()


class Tree:
    """The root over digests that come one after the other; holds one digest for each power of two, not the leaves."""

    def __init__(self, digests: Iterable[bytes] = ()) -> None:
        self.size = 0
        self._subtrees: list[bytes] = []
        """Roots of the complete subtrees from the left, the largest first: one for each bit of `size`."""
        self.extend(digests)

    def extend(self, digests: Iterable[bytes]) -> None:
        self.extend_leaves(map(leaf, digests))

    def extend_leaves(self, leaves: Iterable[bytes]) -> None:
        """By what stands for each in the tree already."""
        subtrees, size, sha256 = self._subtrees, self.size, _sha256
        for root in leaves:
            complete = size
            while complete & 1:
                root = sha256(_NODE + subtrees.pop() + root).digest()
                complete >>= 1
            subtrees.append(root)
            size += 1
        self.size = size

    def root(self) -> bytes:
        """Of an empty tree: the hash of nothing."""
        if not self._subtrees:
            return _sha256(b"").digest()
        *larger, root = self._subtrees
        for subtree in reversed(larger):
            root = _node(subtree, root)
        return root


def proof(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """The digests that lead from one leaf to the root, the nearest first. Takes what `leaf` makes."""
    if not 0 <= index < len(leaves):
        raise IndexError(f"there is no leaf {index} in a tree of {len(leaves)}")
    return _path(_levels(leaves), index)


def root_and_proofs(digests: Sequence[bytes]) -> tuple[bytes, Iterator[list[bytes]]]:
    """The root over two or more digests, and the proof of each in their order."""
    levels = _levels([*map(leaf, digests)])
    left, right = levels[-1]
    return _node(left, right), (_path(levels, index) for index in range(len(digests)))


def _levels(leaves: Sequence[bytes]) -> list[list[bytes]]:
    """The nodes of each level below the root, the leaves first."""
    level = list(leaves)
    levels = []
    while len(level) > 1:
        levels.append(level)
        above = [_node(left, right) for left, right in zip(level[::2], level[1::2], strict=False)]
        # a node without a neighbour moves up as it is: the same tree as splitting at the largest power of two
        level = above + level[len(level) & ~1 :]
    return levels


def _path(levels: Sequence[Sequence[bytes]], index: int) -> list[bytes]:
    path = []
    for level in levels:
        if (beside := index ^ 1) < len(level):
            path.append(level[beside])
        index >>= 1
    return path


def proves(root: bytes, found: bytes, index: int, size: int, path: Sequence[bytes]) -> bool:
    """Whether the path shows that what `leaf` made is leaf `index` of the tree of `size` leaves with this root."""
    return root_of(found, index, size, path) == root


def root_of(found: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """Where the path leads from what `leaf` made as leaf `index` of a tree of `size`; None when it fits no such."""
    if not 0 <= index < size:
        return None
    last, left = size - 1, list(path)
    while last:
        if index & 1 or index < last:
            if not left:
                return None
            beside = left.pop(0)
            found = _node(beside, found) if index & 1 else _node(found, beside)
        index, last = index >> 1, last >> 1
    return None if left else found
