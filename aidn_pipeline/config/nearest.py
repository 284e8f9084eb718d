"""Did you mean: the nearest valid name, or the valid names."""

from collections.abc import Sequence
from difflib import get_close_matches


def nearest(name: str, known: Sequence[str], *, noun: str = "known") -> str:
    """`did you mean ...` if a known name is near, else what is known."""
    near = get_close_matches(name, known, 1)
    if near:
        return f"did you mean `{near[0]}`?"
    more = ", ..." if len(known) > 20 else ""
    return f"{noun}: {', '.join(known[:20])}{more}" if known else f"{noun}: none"
