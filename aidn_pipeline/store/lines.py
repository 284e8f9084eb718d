"""What the lines of the journals must say before anything believes them: they may be anybody's.

A checksum says that a line is whole, not who wrote it.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from aidn_pipeline.core.artifact import KINDS
from aidn_pipeline.store.objects import is_id, is_size

Check: TypeAlias = Callable[[Any], bool]
LONGEST_AGE = 1e11
"""Seconds; a later time is no date."""
MOST_CHECKPOINTS = 2**31


def is_line(payload: Any) -> bool:
    """Whether a line of the store's journal is one that the readers of its kind can take."""
    if not (
        isinstance(payload, dict)
        and payload.keys() == {"kind", "key", "value"}
        and isinstance(payload["kind"], str)
        and isinstance(payload["key"], str)
        and isinstance(payload["value"], dict)
    ):
        return False
    check = KIND.get(payload["kind"])
    return check is None or check(payload["value"])


def is_entry(payload: Any) -> bool:
    """The same for a line of a work's journal."""
    if not (isinstance(payload, dict) and isinstance(payload.get("kind"), str)):
        return False
    check = ENTRY.get(payload["kind"])
    return check is None or check(payload)


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _number(value: Any) -> bool:
    return type(value) in (int, float) and -LONGEST_AGE < value < LONGEST_AGE


def _id(value: Any) -> bool:
    return isinstance(value, str) and is_id(value)


def _mapping(value: Any) -> bool:
    return isinstance(value, dict)


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_text, value))


def _mapping_to(check: Check) -> Check:
    return lambda value: isinstance(value, dict) and all(map(check, value.values()))


def _list_of(check: Check) -> Check:
    return lambda value: isinstance(value, list) and all(map(check, value))


def _either(*checks: Check) -> Check:
    return lambda value: any(check(value) for check in checks)


def _none(value: Any) -> bool:
    return value is None


def _with(needed: Mapping[str, Check], known: Mapping[str, Check] | None = None) -> Check:
    def check(value: Any) -> bool:
        return (
            isinstance(value, dict)
            and all(key in value and one(value[key]) for key, one in needed.items())
            and all(one(value[key]) for key, one in (known or {}).items() if key in value)
        )

    return check


def _exactly(needed: Mapping[str, Check]) -> Check:
    check = _with(needed)
    return lambda value: check(value) and value.keys() == needed.keys()


_ARTIFACT = _with(
    {"kind": lambda v: isinstance(v, str) and v in KINDS, "digest": _id, "size": is_size},
    {"folder": lambda v: isinstance(v, bool)},
)
_ACCEPTED = _with(
    {"of": _id, "reason": _text, "by": _text, "at": _number, "changes": _texts},
    {"withdrawn": _with({"by": _text, "at": _number})},
)
_STAGE = _exactly(
    {
        **dict.fromkeys(("fingerprint", "family", "base", "component"), _text),
        "hashed": _with({}, {"inputs": _mapping_to(_either(_text, _texts)), "files": _mapping}),
        "extends": _mapping_to(_either(_number, _text, _none, _mapping)),
        "outputs": _mapping_to(_ARTIFACT),
        "observed": _with(
            {},
            {
                "points": _list_of(_with({"digest": _id, "size": is_size})),
                "seconds": _number,
                "started": _number,
                **dict.fromkeys(("run", "stage", "parent", "host"), _text),
                **dict.fromkeys(("continues", "reused"), _texts),
                "accepted": _ACCEPTED,
            },
        ),
    }
)
_ERROR = _with(dict.fromkeys(("type", "problem", "where", "remedy"), _text))
_FACTS = _with(
    {},
    {
        **dict.fromkeys(("order", "overrides", "notes"), _texts),
        "actions": _mapping_to(_text),
        "environment": _mapping_to(_either(_text, _none)),
        **dict.fromkeys(("asked", "host", "debug"), _text),
        "config": _with({}, {"name": _text, "stages": _mapping_to(_mapping)}),
        "seconds": _number,
        "pid": is_size,
        "error": _either(_none, _ERROR),
    },
)
_RUN = _with(
    {
        **dict.fromkeys(("run", "recipe", "status"), _text),
        "started": _number,
        "stages": _mapping_to(_text),
        "facts": _FACTS,
    }
)
_VERSION = _with(
    {"noun": _text, "name": _text, "version": is_size, "digest": _text},
    {"facts": _with({}, {"checkpoint": _ARTIFACT, "metrics": _mapping_to(_number)})},
)
_GC = _with({"verb": _text, "stages": _texts}, {"at": _number})
KIND: Mapping[str, Check] = {"stage": _STAGE, "run": _RUN, "version": _VERSION, "gc": _GC}
"""Kinds of lines of the store's journal that more is known of."""

_FILE = _list_of(lambda v: _id(v) or is_size(v))
_CHECKPOINT = _with(
    {
        "number": lambda v: is_size(v) and v < MOST_CHECKPOINTS,
        "info": _mapping,
        "files": _mapping_to(lambda v: _FILE(v) and [type(p) for p in v] == [str, int]),
    }
)
ENTRY: Mapping[str, Check] = {
    "attempt": _with(
        {"number": is_size, "fingerprint": _text},
        {"run": _text, "pid": is_size, "host": _text, "started": _number},
    ),
    "checkpoint": _CHECKPOINT,
    "retain": _with({"keep": _list_of(is_size)}),
}
"""Kinds of lines of a work's journal that more is known of."""


def finite(text: str) -> float:
    """Reads a number of a line.

    Raises:
        ValueError: if it is too large for one.
    """
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is not finite")
    return value


def refuse_constant(text: str) -> float:
    """Takes no `NaN` and no `Infinity`, which are no JSON.

    Raises:
        ValueError: always.
    """
    raise ValueError(f"{text} is no JSON")
