"""Identity: the digest of bytes, the fingerprint of work, and seeds derived from both."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from blake3 import blake3

JSON: TypeAlias = bool | int | float | str | Sequence["JSON"] | Mapping[str, "JSON"] | None

CANONICAL = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
)


def canonical_json(value: JSON) -> bytes:
    """The one byte form of a JSON value: sorted keys, no spaces, shortest floats, UTF-8.

    Raises:
        ValueError: if a number is not finite.
    """
    return CANONICAL.encode(value).encode()


def digest_bytes(data: bytes | bytearray | memoryview) -> str:
    """The id of a file with these bytes: `b3:` and 64 hex digits of BLAKE3-256."""
    return "b3:" + blake3(data).hexdigest()


@dataclass(frozen=True, slots=True, order=True)
class Fingerprint:
    """Identity of a piece of work: equal fingerprints mean equal results."""

    digest: str

    @classmethod
    def of(cls, tag: str, value: JSON) -> "Fingerprint":
        """Hashes the tagged `[tag, value]`, so values of different meaning never collide."""
        return cls(digest_bytes(canonical_json([tag, value])))

    @property
    def hex(self) -> str:
        """The digest without its `b3:` prefix, for file names."""
        return self.digest.removeprefix("b3:")

    def __str__(self) -> str:
        return self.digest


def derive_seed(seed: int, *purpose: str | int) -> int:
    """A 63-bit seed for one purpose; depends on nothing but its arguments."""
    digest = blake3(canonical_json(["seed", seed, list(purpose)])).digest()
    return int.from_bytes(digest[:8], "big") >> 1
