"""Why a text is no YAML, in words that say what to change; the parser's own are not shown."""

import re
from dataclasses import dataclass
from typing import Any

from aidn_pipeline.config.caret import Span, draw
from aidn_pipeline.errors import BudgetExceeded, ConfigError

MAX_DEPTH = 64
OVERRIDE = "override "
CLOSING = {"[": "]", "{": "}"}
JOINED = re.compile(r"\s*(?:- )?[\w.\"'-]+:\S")
USUAL = "check the indentation, the colons and the quotes on this line and the one above"
STANDARD = "tag:yaml.org,2002:"


@dataclass(frozen=True, slots=True)
class _Finding:
    """What is wrong where; the line counts from 0."""

    line: int
    span: Span | None
    problem: str
    remedy: str


def unreadable(problem: Any, text: str, file: str) -> ConfigError:
    """The error for a text that the parser refused.

    Args:
        problem: the parser's error, or that of the text's encoding.
        text: what was read.
        file: how to name it in messages; an argument begins with `override `.
    """
    if "nesting" in (getattr(problem, "problem", None) or ""):
        return BudgetExceeded(
            f"the text is nested more than {MAX_DEPTH} levels deep",
            where=file[:200],
            remedy="flatten it",
        )
    lines = text.splitlines() or [""]
    found = _found(problem, text, lines)
    at = min(found.line, len(lines) - 1)
    line = lines[at]
    span = found.span or (len(line) - len(line.lstrip()), len(line))
    if file.startswith(OVERRIDE):
        argument = file.removeprefix(OVERRIDE)
        start = max(0, argument.rfind(line))
        error = ConfigError(found.problem, where=file, remedy=found.remedy)
        error.excerpt = draw("", argument, (span[0] + start, span[1] + start))
    else:
        error = ConfigError(found.problem, where=f"{file}:{at + 1}", remedy=found.remedy)
        error.excerpt = draw(str(at + 1), line, span)
    return error


def shown_tag(tag: str) -> str:
    """A tag as it is written in a file."""
    return (f"!!{tag.removeprefix(STANDARD)}" if tag.startswith(STANDARD) else tag)[:60]


def _found(problem: Any, text: str, lines: list[str]) -> _Finding:
    mark = getattr(problem, "problem_mark", None)
    if mark is None:
        return _character(problem, text)
    opened = _within(getattr(problem, "context_mark", None) or mark, lines)
    context = getattr(problem, "context", None) or ""
    what = f"{context} {getattr(problem, 'problem', None) or ''}"
    at, column = _within(mark, lines)
    line = lines[at]
    if "mapping values are not allowed" in what:
        return _colon(lines, at, column)
    if "could not find expected ':'" in what:
        return _no_key(lines, opened[0])
    if "flow" in context and (bracket := _open(lines, opened, mark.line >= len(lines))):
        return _bracket(lines, *bracket, at)
    if "quoted scalar" in context or "double-quoted" in context:
        return _quote(lines, *opened, what, column)
    if "block" in context and mark.line != opened[0] and not line[:column].strip():
        return _indentation(lines, at, column, context)
    if "block mapping" in context:
        rest = line[column:].split(" #")[0].strip()
        return _Finding(
            at,
            (column, column + len(rest)),
            f"`{rest[:40]}` stands behind a value that is complete",
            "a text with quotes or brackets in it stands in quotes as a whole; inside single "
            "quotes a quote is written twice",
        )
    return _odd(lines, at, column, opened, what)


def _within(mark: Any, lines: list[str]) -> Span:
    """Line and column of a mark; one behind the end of the text is at its end."""
    if mark.line >= len(lines):
        return len(lines) - 1, len(lines[-1])
    return mark.line, min(mark.column, len(lines[mark.line]))


def _open(lines: list[str], at: Span, is_end: bool) -> Span | None:
    """Where the bracket stands that is not closed."""
    if lines[at[0]][at[1] : at[1] + 1] in CLOSING:
        return at
    signs = [
        (line, column, sign)
        for line, text in enumerate(lines)
        for column, sign in enumerate(text)
        if is_end and sign in "[]{}"
    ]
    still: list[tuple[int, int, str]] = []
    for one in signs:
        if one[2] in CLOSING:
            still.append(one)
        elif still:
            still.pop()
    return still[-1][:2] if still else None


def _bracket(lines: list[str], line: int, column: int, at: int) -> _Finding:
    bracket = lines[line][column]
    rest = lines[at].strip()[:40]
    comma = f", or put the comma that is missing before line {at + 1}: {rest}"
    return _Finding(
        line,
        (column, column + 1),
        f"the bracket `{bracket}` is not closed",
        f"close it with `{CLOSING[bracket]}`{comma if at > line else ''}",
    )


def _character(problem: Any, text: str) -> _Finding:
    position = int(getattr(problem, "start", 0))
    number = getattr(problem, "character", None)
    if isinstance(number, int):
        # The position that comes with it counts bytes.
        position = max(0, text.find(chr(number)))
    number = ord(text[position : position + 1] or " ")
    before = text[:position]
    column = len(before) - (before.rfind("\n") + 1)
    return _Finding(
        before.count("\n"),
        (column, column + 1),
        f"a config text cannot hold the character U+{number:04X}",
        "remove it",
    )


def _colon(lines: list[str], at: int, column: int) -> _Finding:
    line = lines[at]
    first = re.match(r"\s*(?:- )?[^:#]*:(?=\s)", line)
    above = next((n for n in range(at - 1, -1, -1) if lines[n].strip()), None)
    if first is not None and first.end() <= column:
        return _Finding(
            at,
            (column, column + 1),
            "a second `: ` stands in the value of a key",
            "put the value in quotes if it is a text, or the second key on a line of its own",
        )
    if above is not None and ": " not in f"{lines[above].split(' #')[0].rstrip()} ":
        return _no_key(lines, above)
    depth = len(line) - len(line.lstrip())
    upper = len(lines[above]) - len(lines[above].lstrip()) if above is not None else 0
    return _Finding(
        at,
        (depth, column),
        f"`{line[depth:column].strip()[:40]}` is indented below a key that has a value already",
        f"give it the {upper} blanks of the line above, or move that value onto a line of its own",
    )


def _no_key(lines: list[str], at: int) -> _Finding:
    word = lines[at].split(" #")[0].strip()
    start = len(lines[at]) - len(lines[at].lstrip())
    span = (start, start + len(word))
    if JOINED.match(lines[at]):
        key, _, value = word.partition(":")
        return _Finding(
            at, span, f"`{word[:60]}` is one word, no key with a value", f"write `{key}: {value}`"
        )
    return _Finding(
        at, span, f"`{word[:60]}` is no `key: value`", f"write `{word[:40]}: VALUE`, or remove it"
    )


def _quote(lines: list[str], at: int, column: int, what: str, wrong: int) -> _Finding:
    quote = lines[at][column : column + 1]
    if "escape" in what:
        start = lines[at].rfind("\\", 0, wrong + 1)
        return _Finding(
            at,
            (start, start + 2),
            f"`{lines[at][start : start + 2]}` means nothing inside double quotes",
            "write the text in single quotes, or the backslash twice",
        )
    return _Finding(
        at, (column, column + 1), f"the quote {quote} is not closed", f"close it with {quote}"
    )


def _indentation(lines: list[str], at: int, column: int, context: str) -> _Finding:
    line = lines[at]
    end = len(line.split(" #")[0].rstrip())
    above = next((text for text in reversed(lines[:at]) if text.strip()), "")
    if line[column:].startswith("-"):
        return _Finding(
            at,
            (column, end),
            "an item of a list stands among keys",
            "indent it below the key whose list it belongs to",
        )
    if "collection" in context:
        return _Finding(
            at,
            (column, end),
            "a key stands among the items of a list",
            "indent it below its item, or move it in front of the list",
        )
    near = len(above) - len(above.lstrip())
    return _Finding(
        at,
        (column, end),
        "the line is indented like no line above that it could belong to",
        f"give it the indentation of the keys beside it, such as {near} blanks, not {column}",
    )


def _odd(lines: list[str], at: int, column: int, opened: Span, what: str) -> _Finding:
    line = lines[at]
    sign = line[column : column + 1]
    if "\t" in line[: column + 1]:
        tab = line.index("\t")
        return _Finding(at, (tab, tab + 1), "a tab indents the line", "write blanks instead")
    if "sequence entries are not allowed" in what:
        return _Finding(
            at,
            (column, len(line.rstrip())),
            "an item of a list stands behind its key",
            "begin the list on the line below, or write `[...]`; a text stands in quotes",
        )
    if any(f"{word}" in what for word in ("alias", "anchor", "tag ", "directive")):
        at, column = opened
        line, sign = lines[at], lines[at][column : column + 1]
    if sign and not sign.isalnum() and not sign.isspace():
        word = re.match(r"[^\s,\]}]+", line[column:])
        end = column + (len(word[0]) if word else 1)
        return _Finding(
            at,
            (column, end),
            f"a value cannot begin with `{sign}`",
            f"put it in quotes: '{line[column:end][:40]}'",
        )
    return _Finding(at, None, "this is no YAML", USUAL)
