"""`when:` of a stage: a condition over the recipe's values, decided when it is planned.

    when: trainer.epochs > 5 and model.use in ['mlp', 'cnn']
    when: not run.smoke
    when: matrix.fold != 3

Names are paths from the recipe's root; `matrix.AXIS` is the value of a cell. Texts stand in quotes.
Operators: `== != < <= > >= in`, `not in`, `and`, `or`, `not`, brackets.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aidn_pipeline.config.references import PATH
from aidn_pipeline.errors import ConfigError

TOKEN = re.compile(
    r"\s*(?:(?P<text>'[^']*'|\"[^\"]*\")"
    r"|(?P<number>-?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?(?![\w.]))"
    r"|(?P<sign>==|!=|<=|>=|<|>|\(|\)|\[|\]|,)"
    r"|(?P<word>[A-Za-z_][\w-]*(?:\.[\w-]+)*))"
)
CONSTANTS: Mapping[str, Any] = {"true": True, "false": False, "null": None}
ORDER: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}
REMEDY = "write such as `trainer.epochs > 5 and model.use == 'mlp'`"
MAX_DEPTH = 50
MAX_CHARACTERS = 2_000


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a condition comes to.

    Attributes:
        holds: whether it is true.
        seen: the values it looked at, by name.
    """

    holds: bool
    seen: Mapping[str, Any]

    def said(self, condition: str) -> str:
        """Why it is false, in one sentence."""
        found = ", ".join(f"{name} is {json.dumps(value)}" for name, value in self.seen.items())
        return f"`when: {condition}` is false" + (f": {found}" if found else "")


def decide(condition: str, value_of: Callable[[str], Any], where: str) -> Verdict:
    """Decides a condition.

    Args:
        condition: its text.
        value_of: gives the value behind a name, or raises `ConfigError`.
        where: its place, for messages.

    Raises:
        ConfigError: if it cannot be read, or a name stands for nothing.
    """
    parser = _Parser(_tokens(condition, where), value_of, where)
    holds = parser.whole()
    return Verdict(holds, parser.seen)


def _tokens(text: str, where: str) -> list[tuple[str, str]]:
    if len(text) > MAX_CHARACTERS:
        raise ConfigError(
            f"the condition has more than {MAX_CHARACTERS:,} characters", where=where, remedy=REMEDY
        )
    found, at = list[tuple[str, str]](), 0
    end = len(text.rstrip())
    while at < end:
        match = TOKEN.match(text, at)
        if match is None:
            raise ConfigError(
                f"the condition cannot be read at {text[at:].strip()[:30]!r}",
                where=where,
                remedy=REMEDY,
            )
        kind = str(match.lastgroup)
        found.append((kind, match[kind]))
        at = match.end()
    return found


@dataclass(slots=True)
class _Parser:
    tokens: list[tuple[str, str]]
    value_of: Callable[[str], Any]
    where: str
    at: int = 0
    depth: int = 0
    seen: dict[str, Any] = field(default_factory=dict)

    def whole(self) -> bool:
        holds = self._truth(self._either(), "the condition")
        if self.at < len(self.tokens):
            raise self._unexpected()
        return holds

    def _peek(self) -> str:
        if self.at < len(self.tokens) and self.tokens[self.at][0] in ("sign", "word"):
            return self.tokens[self.at][1]
        return ""

    def _take(self, *wanted: str) -> bool:
        if self._peek() not in wanted:
            return False
        self.at += 1
        return True

    def _unexpected(self) -> ConfigError:
        ended = self.at >= len(self.tokens)
        said = "ends too early" if ended else f"cannot be read at {self.tokens[self.at][1]!r}"
        return ConfigError(f"the condition {said}", where=self.where, remedy=REMEDY)

    def _truth(self, value: Any, what: str) -> bool:
        if isinstance(value, bool):
            return value
        raise ConfigError(
            f"{what} is {json.dumps(value)}, not true or false",
            where=self.where,
            remedy="compare it with something; " + REMEDY,
        )

    def _either(self) -> Any:
        value = self._both()
        while self._take("or"):
            # Both sides are read: a mistake on the right must not wait for the left to be false.
            right = self._truth(self._both(), "what stands after `or`")
            value = self._truth(value, "what stands before `or`") or right
        return value

    def _both(self) -> Any:
        value = self._negated()
        while self._take("and"):
            right = self._truth(self._negated(), "what stands after `and`")
            value = self._truth(value, "what stands before `and`") and right
        return value

    def _negated(self) -> Any:
        if not self._take("not"):
            return self._compared()
        self._deeper()
        return not self._truth(self._negated(), "what stands after `not`")

    def _deeper(self) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise ConfigError("the condition is nested too deep", where=self.where, remedy=REMEDY)

    def _compared(self) -> Any:
        left = self._operand()
        sign = self._peek()
        if self._take("==", "!="):
            return _equal(left, self._operand()) == (sign == "==")
        if self._take("<", "<=", ">", ">="):
            return self._ordered(sign, left, self._operand())
        if self._take("in"):
            return self._inside(left)
        if sign == "not":
            self.at += 1
            if not self._take("in"):
                raise self._unexpected()
            return not self._inside(left)
        return left

    def _ordered(self, sign: str, left: Any, right: Any) -> bool:
        numbers = all(
            isinstance(v, (int, float)) and not isinstance(v, bool) for v in (left, right)
        )
        if not numbers and not (isinstance(left, str) and isinstance(right, str)):
            raise ConfigError(
                f"`{json.dumps(left)} {sign} {json.dumps(right)}` compares what has no order",
                where=self.where,
                remedy="compare two numbers or two texts",
            )
        return ORDER[sign](left, right)

    def _inside(self, left: Any) -> bool:
        right = self._operand()
        if isinstance(right, (list, dict)):
            return any(_equal(left, item) for item in right)
        raise ConfigError(
            f"`in {json.dumps(right)}` looks into what is no list",
            where=self.where,
            remedy="write a list: `model.use in ['mlp', 'cnn']`",
        )

    def _operand(self) -> Any:
        if self.at >= len(self.tokens):
            raise self._unexpected()
        kind, text = self.tokens[self.at]
        if kind == "sign" and text in ("(", "["):
            self.at += 1
            self._deeper()
            return self._bracketed() if text == "(" else self._listed()
        if kind == "sign" or text in ("and", "or", "not", "in"):
            raise self._unexpected()
        self.at += 1
        if kind == "text":
            return text[1:-1]
        if kind == "number":
            return int(text) if re.fullmatch(r"-?\d+", text) else float(text)
        return self._named(text)

    def _named(self, name: str) -> Any:
        if name in CONSTANTS:
            return CONSTANTS[name]
        if not PATH.match(name):
            raise self._unexpected()
        value = self.seen[name] = self.value_of(name)
        return value

    def _bracketed(self) -> Any:
        value = self._either()
        if not self._take(")"):
            raise self._unexpected()
        return value

    def _listed(self) -> list[Any]:
        items: list[Any] = []
        while not self._take("]"):
            items.append(self._operand())
            if self._peek() != "]" and not self._take(","):
                raise self._unexpected()
        return items


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _equal(left: Any, right: Any) -> bool:
    # True is no 1: what YAML tells apart stays apart.
    return bool(isinstance(left, bool) == isinstance(right, bool) and left == right)
