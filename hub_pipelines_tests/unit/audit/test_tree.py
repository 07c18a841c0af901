"""The Merkle tree of RFC 6962: roots that others have published, and proofs for every place in trees of every shape."""

import hashlib

import pytest

from hub_pipelines.audit.tree import Tree, leaf, proof, proves

# the data and roots of the tests of Certificate Transparency's own implementations
DATA = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = {
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}
DIGESTS = [hashlib.sha256(bytes([one])).digest() for one in range(40)]


def root_by_the_book(digests: list[bytes]) -> bytes:
    """MTH of RFC 6962 2.1, as it is written there."""
    if len(digests) == 1:
        return hashlib.sha256(b"\x00" + digests[0]).digest()
    split = 1
    while split * 2 < len(digests):
        split *= 2
    return hashlib.sha256(b"\x01" + root_by_the_book(digests[:split]) + root_by_the_book(digests[split:])).digest()


@pytest.mark.parametrize(("size", "root"), ROOTS.items())
def test_the_root_is_the_one_that_certificate_transparency_publishes(size: int, root: str) -> None:
    assert Tree(bytes.fromhex(one) for one in DATA[:size]).root().hex() == root


def test_the_root_of_nothing_is_the_hash_of_nothing() -> None:
    assert Tree().root() == hashlib.sha256(b"").digest()


@pytest.mark.parametrize("size", range(1, 34))
def test_the_root_of_any_number_of_leaves_is_the_one_of_the_rfc(size: int) -> None:
    in_two_parts = Tree(DIGESTS[: size // 3])
    in_two_parts.extend(DIGESTS[size // 3 : size])
    assert in_two_parts.root() == Tree(DIGESTS[:size]).root() == root_by_the_book(DIGESTS[:size])
    assert in_two_parts.size == size


@pytest.mark.parametrize("size", range(1, 34))
def test_every_leaf_is_proved_in_its_place_and_nothing_else_is(size: int) -> None:
    root, other_leaf = Tree(DIGESTS[:size]).root(), leaf(DIGESTS[-1])
    leaves = [*map(leaf, DIGESTS[:size])]
    for index, found in enumerate(leaves):
        path = proof(leaves, index)
        assert proves(root, found, index, size, path)
        assert not proves(root, other_leaf, index, size, path), "another leaf"
        assert not proves(other_leaf, found, index, size, path), "another root"
        assert not any(proves(root, found, other, size, path) for other in range(size) if other != index)
        assert not proves(root, found, index, size, [*path, other_leaf])
        if path:
            assert not proves(root, found, index, size, path[:-1])
            assert not proves(root, found, index, size, [other_leaf, *path[1:]])


def test_a_node_can_not_be_passed_off_as_a_leaf() -> None:
    left, right = (hashlib.sha256(b"\x00" + one).digest() for one in DIGESTS[:2])
    assert not proves(Tree(DIGESTS[:2]).root(), leaf(left + right), 0, 1, [])


@pytest.mark.parametrize("index", [-1, 3])
def test_there_is_no_proof_for_a_place_outside_of_the_tree(index: int) -> None:
    with pytest.raises(IndexError):
        proof([*map(leaf, DIGESTS[:3])], index)
    assert not proves(Tree(DIGESTS[:3]).root(), leaf(DIGESTS[0]), index, 3, [])
