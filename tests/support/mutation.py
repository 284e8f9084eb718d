"""Mutations of bytes and of JSON values, driven by one generator: a seed replays every case."""

import copy
import json
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

NAMES = (
    *("../x", "../../../../etc/passwd", "/etc/passwd", "a/../../b", "..", ".", "", "a//b", "a\\b"),
    *("..\\x", "C:\\x", "a\0b", "x" * 5000, "\ud800", "\u202ea", "a\nb", "%2e%2e/x", "con", "~"),
    *("file:///etc/passwd", "\\\\host\\share", "b3:" + "0" * 64, "b3:" + "../" * 21 + "x"),
)
"""Texts that have been paths, or parts of them."""
NUMBERS = (
    *(-1, 0, 1, 2**31, 2**32, 2**53, 2**63 - 1, 2**63, 2**64, -(2**63), 10**400),
    *(1e308, -1e308, 5e-324, 0.5, float("nan"), float("inf"), -0.0),
)
ODD = (*NAMES, *NUMBERS, None, True, False, [], {}, [[]], {"": {}}, "b3:", "${secret:A}", "${a")
BYTES = (
    b"\0",
    b"\xff",
    b"\n",
    b'"',
    b"\xff\xff\xff\xff",
    b"\0" * 8,
    b"{",
    b"[",
    b"9" * 5000,
    b"-1",
)
MOST = 1 << 20


def bytes_of(dice: random.Random, data: bytes) -> bytes:
    """The bytes with one to four things wrong with them."""
    out = bytearray(data)
    for _ in range(dice.randint(1, 4)):
        at = dice.randint(0, len(out))
        match dice.randrange(7):
            case 0 if out:
                out[min(at, len(out) - 1)] ^= 1 << dice.randrange(8)
            case 1:
                out[at:at] = dice.choice(BYTES)
            case 2:
                del out[at : at + dice.choice((1, 2, 8, 100))]
            case 3:
                out[at:at] = out[at : at + dice.choice((1, 16, 200))] * dice.choice((1, 3, 50))
            case 4:
                del out[at:]
            case 5:
                out[at : at + 8] = dice.randbytes(8)
            case _:
                number = dice.choice((0, 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1))
                out[at : at + 8] = number.to_bytes(8, dice.choice(("little", "big")))
    return bytes(out[:MOST])


def value_of(dice: random.Random, value: Any) -> Any:
    """A copy of a JSON value with one to three of its parts replaced, removed or added."""
    changed = copy.deepcopy(value)
    for _ in range(dice.randint(1, 3)):
        places = list(_places(changed))
        if not places:
            return dice.choice(ODD)
        above, key = dice.choice(places)
        match dice.randrange(6):
            case 0:
                del above[key]
            case 1 if isinstance(above, dict):
                above[dice.choice(NAMES)] = dice.choice(ODD)
            case 2:
                other, its = dice.choice(places)
                above[key] = copy.deepcopy(other[its]) if _holds(other, its) else None
            case 3:
                above[key] = nested(dice.choice((3, 70)))
            case _:
                above[key] = copy.deepcopy(dice.choice(ODD))
    return changed


def text_of(value: Any) -> bytes:
    """JSON text, with whatever JSON does not allow left in it."""
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


def sound_text(value: Any) -> bytes:
    """JSON text in the one form that has a checksum; other values as near to it as can be."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8", "surrogatepass")


def nested(depth: int) -> Any:
    """Lists in lists."""
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def deep(depth: int) -> bytes:
    """JSON deeper than any reader recurses."""
    return b"[" * depth + b"]" * depth


def either(*mutators: Callable[[random.Random], bytes]) -> Callable[[random.Random], bytes]:
    """One of several mutators, drawn anew each time."""
    return lambda dice: dice.choice(mutators)(dice)


def of_bytes(seeds: Sequence[bytes]) -> Callable[[random.Random], bytes]:
    """Mutations of the bytes of some files."""
    return lambda dice: bytes_of(dice, dice.choice(seeds))


def of_values(
    seeds: Sequence[Any], write: Callable[[Any], bytes] = text_of
) -> Callable[[random.Random], bytes]:
    """Mutations of JSON values, written to bytes."""
    return lambda dice: write(value_of(dice, dice.choice(seeds)))


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    pending = [value]
    while pending:
        part = pending.pop()
        if isinstance(part, dict):
            yield from ((part, key) for key in list(part))
            pending += part.values()
        elif isinstance(part, list):
            yield from ((part, n) for n in range(len(part)))
            pending += part


def _holds(above: Any, key: Any) -> bool:
    return key in above if isinstance(above, dict) else key < len(above)
