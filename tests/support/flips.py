"""Flip single bits of a store's files and see whether anything wrong is ever served."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path


def files_of(root: Path) -> list[Path]:
    """Files whose bytes mean something; the lock file and the cache have no content of ours."""
    return sorted(
        p
        for p in root.rglob("*")
        if p.is_file() and p.name != "locks" and p.stat().st_size and "cache" not in p.parts
    )


def flips(files: list[Path], count: int, seed: int = 0) -> Iterator[tuple[Path, int]]:
    """`count` places, dealt evenly over the files."""
    dice = random.Random(seed)
    for n in range(count):
        path = files[n % len(files)]
        yield path, dice.randrange(path.stat().st_size * 8)


def flipped(path: Path, bit: int, look: Callable[[], str]) -> str:
    """What `look` says while one bit is wrong; the file is put back afterwards."""
    sound = path.read_bytes()
    mode = path.stat().st_mode
    wrong = bytearray(sound)
    wrong[bit // 8] ^= 1 << (bit % 8)
    path.chmod(0o644)
    path.write_bytes(wrong)
    try:
        return look()
    finally:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(sound)
        path.chmod(mode)
