"""The root of a Merkle tree as RFC 6962 (section 2.1) defines it: leaves and nodes have different prefixes."""

import hashlib
from collections.abc import Sequence


def hash_leaf(content: bytes) -> bytes:
    """The hash of one leaf."""
    return hashlib.sha256(b"\x00" + content).digest()


def merkle_root(leaves: Sequence[bytes]) -> bytes:
    """The root above hashed leaves in this order; the hash of nothing for none."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    level = list(leaves)
    while len(level) > 1:
        pairs = [hashlib.sha256(b"\x01" + level[at] + level[at + 1]).digest() for at in range(0, len(level) - 1, 2)]
        # A leaf without a partner moves up as it is: duplicating it would let two logs have one root.
        level = pairs + level[len(level) - len(level) % 2 :]
    return level[0]
