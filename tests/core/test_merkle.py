"""Merkle roots as RFC 6962 computes them."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.merkle import hash_leaf, merkle_root


def rfc_root(contents: list[bytes]) -> bytes:
    """The definition of RFC 6962, section 2.1, word for word: split at the largest power of two below the length."""
    if not contents:
        return hashlib.sha256(b"").digest()
    if len(contents) == 1:
        return hashlib.sha256(b"\x00" + contents[0]).digest()
    split = 1 << (len(contents) - 1).bit_length() - 1
    return hashlib.sha256(b"\x01" + rfc_root(contents[:split]) + rfc_root(contents[split:])).digest()


@given(st.lists(st.binary(max_size=8), max_size=40))
def test_root_is_that_of_the_rfc(contents: list[bytes]) -> None:
    assert merkle_root([hash_leaf(content) for content in contents]) == rfc_root(contents)


@pytest.mark.parametrize("count", [2, 3, 4, 5, 9])
def test_another_leaf_or_order_gives_another_root(count: int) -> None:
    leaves = [hash_leaf(bytes([number])) for number in range(count)]
    others = ([*leaves, leaves[-1]], leaves[:-1], leaves[::-1], [*leaves[:-1], hash_leaf(b"x")])
    assert merkle_root(leaves) not in {merkle_root(other) for other in others}
