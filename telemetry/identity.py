"""Identities as 63-bit keys, the same on every machine and in every process."""

from array import array
from collections.abc import Iterable
from hashlib import blake2b

KINDS = frozenset({"line", "response", "call", "command"})


def identity_key(kind: str, value: str) -> int:
    """A positive 63-bit key of an identity: BLAKE2b over kind and value.

    `kind` is `line` (value: uuid), `response` (message.id, else the line's uuid), `call`
    (tool_use id) or `command` (line uuid, space, command name). With 100 million identities the
    chance that any two share a key is about 0.05 %.
    """
    digest = blake2b(f"{kind}:{value}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def pack_keys(keys: Iterable[int]) -> bytes:
    """Keys as sorted little-endian 8-byte integers, for `SessionIdentity.keys`."""
    return array("q", sorted(keys)).tobytes()


def unpack_keys(packed: bytes | memoryview) -> list[int]:
    """The keys that `pack_keys` packed, ascending."""
    return array("q", bytes(packed)).tolist()
