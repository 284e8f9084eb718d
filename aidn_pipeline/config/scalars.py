"""What an unquoted word means: YAML 1.1 with the floats of OmegaConf (`1e-3` is a number)."""

import math
import re

from aidn_pipeline.config.tree import Scalar

NULL = frozenset({"", "~", "null", "Null", "NULL"})
TRUE = frozenset({"yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"})
FALSE = frozenset({"no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"})
INT = re.compile(
    r"""^(?: [-+]?0b[01_]+ | [-+]?0[0-7_]+ | [-+]?(?:0|[1-9][0-9_]*) | [-+]?0x[0-9a-fA-F_]+
    | [-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+ )$""",
    re.VERBOSE,
)
FLOAT = re.compile(
    r"""^(?: [-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?
    | [-+]?[0-9]+(?:_[0-9]+)*\.[0-9_]*(?:[eE][-+]?[0-9]+)?
    | [-+]?[0-9]+(?:_[0-9]+)*[eE][-+]?[0-9]+
    | \.[0-9][0-9_]*(?:[eE][-+][0-9]+)?
    | [-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*
    | [-+]?\.(?:inf|Inf|INF) | \.(?:nan|NaN|NAN) )$""",
    re.VERBOSE,
)
MAX_DIGITS = 400
"""Longer than any number that is meant as one."""
SURPRISING = re.compile(r"^[-+]?(?:0[0-9_]+|[0-9_]+(?::[0-9]+)+(?:\.[0-9_]*)?)$")
"""Octal and base-60 numbers, which few people mean when they write `010` or `1:30`."""
PLAIN = re.compile(r"^[-+]?[0-9]+(?:\.(?:0|[0-9]*[1-9])?)?(?:[eE][-+]?[0-9]+)?$")
COMMIT = re.compile(r"^[0-9]{3,}[eE][0-9]+$")
"""Floats as people write them, and what is rather the name of a commit."""
DATE = re.compile(r"^[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt ].*)?$")


def surprise(text: str) -> str:
    """What readers of YAML make of an unquoted word that was perhaps meant as a text; else nothing.

    A word that shows that it is a number, such as `3`, `0.5` or `1e-3`, surprises nobody.
    """
    if len(text) > MAX_DIGITS:
        return ""
    if DATE.match(text):
        return "a date"
    value = scalar(text)
    if isinstance(value, bool):
        return "" if text.lower() in ("true", "false") else str(value).lower()
    if isinstance(value, int):
        return "" if str(value) == text.removeprefix("+") else str(value)
    if isinstance(value, float) and math.isfinite(value):
        return "" if PLAIN.match(text) and not COMMIT.match(text) else str(value)
    return ""


def scalar(text: str) -> Scalar:
    """The value of an unquoted word."""
    if text in NULL:
        return None
    if text in TRUE or text in FALSE:
        return text in TRUE
    if len(text) > MAX_DIGITS:
        return text
    if INT.match(text):
        return _int(text.replace("_", ""))
    if FLOAT.match(text):
        return _float(text.replace("_", "").lower())
    return text


def _int(text: str) -> int:
    sign, digits = (-1, text[1:]) if text[0] == "-" else (1, text.lstrip("+"))
    if ":" in digits:
        return sign * int(_base60(digits))
    if digits.startswith(("0b", "0x")):
        return sign * int(digits, 0)
    if digits.startswith("0") and digits != "0":
        return sign * int(digits, 8)
    return sign * int(digits)


def _float(text: str) -> float:
    sign, digits = (-1.0, text[1:]) if text[0] == "-" else (1.0, text.lstrip("+"))
    if digits in (".inf", ".nan"):
        return sign * float(digits[1:])
    return sign * (_base60(digits) if ":" in digits else float(digits))


def _base60(digits: str) -> float:
    total = 0.0
    for part in digits.split(":"):
        total = total * 60 + float(part)
    return total
