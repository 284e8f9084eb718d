"""The line that a mistake stands in, with a caret below it: of a file, or of an argument.

Looked for only once something is wrong: values know their line, and the columns are found by
reading the file again.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import yaml

from aidn_pipeline.config.caret import Span, draw
from aidn_pipeline.config.syntax import MAX_DEPTH, OVERRIDE
from aidn_pipeline.config.text import LOADER
from aidn_pipeline.errors import (
    ConfigProblems,
    FoundBeforeStart,
    UnknownComponent,
    UnknownKey,
    WrongType,
)

RECIPE = "recipe="
MISSING = "???"
MOST = 1_000
"""Keys and items of one line among which a mistake is looked for."""
QUOTED = re.compile(r"`([^`]+)`|'([^']+)'")
PLACE = re.compile(r"(?P<file>.+):(?P<line>\d+)")


@dataclass(frozen=True, slots=True)
class _Entry:
    """A key with its value, or an item of a list, as they stand in one line of a file."""

    line: int
    path: tuple[str, ...]
    key: Span | None
    value: Span | None
    is_single: bool


class _Text:
    """A file: its lines, and what stands in each; looked at once, for however many mistakes."""

    def __init__(self, text: str) -> None:
        self.lines = text.splitlines()
        self._text = text
        self._entries: dict[int, list[_Entry]] | None = None

    def entries(self, line: int) -> list[_Entry]:
        """The keys and items of a line, counted from 1."""
        if self._entries is None:
            self._entries = {}
            for entry in _entries(self._text):
                here = self._entries.setdefault(entry.line + 1, [])
                if entry.path and len(here) < MOST:
                    here.append(entry)
        return self._entries.get(line, [])


def point(problem: FoundBeforeStart, texts: Mapping[str, str]) -> FoundBeforeStart:
    """Gives problems their excerpts, and several of them the order of the files.

    Args:
        problem: one or several; one that has an excerpt keeps it.
        texts: of the files that were read, by the names that messages have for them.
    """
    _give(problem, {name: _Text(text) for name, text in texts.items()})
    if isinstance(problem, ConfigProblems):
        files = list(texts)
        problem.problems = tuple(sorted(problem.problems, key=lambda p: _rank(p.where, files)))
        # What programs get of several is the place and the remedy of the first.
        problem.where, problem.remedy = problem.problems[0].where, problem.problems[0].remedy
        problem.problem = "; ".join(one.problem for one in problem.problems)
        problem.places = _places(problem.problems)
    return problem


def _give(problem: FoundBeforeStart, texts: Mapping[str, _Text]) -> None:
    if isinstance(problem, ConfigProblems):
        for one in problem.problems:
            _give(one, texts)
    elif problem.excerpt is None and problem.where:
        problem.excerpt = _excerpt(problem, texts)


def _places(problems: Sequence[FoundBeforeStart]) -> str:
    """The files with their lines, and how many arguments there are."""
    lines: dict[str, dict[str, None]] = {}
    others = 0
    for problem in problems:
        found = PLACE.fullmatch(_parts(problem.where)[0])
        if found is None or problem.where.startswith(OVERRIDE):
            others += 1
        else:
            lines.setdefault(found["file"], {})[found["line"]] = None
    told = [f"{file}:{','.join(numbers)}" for file, numbers in lines.items()]
    return "; ".join([*told, *([f"{others} on the command line"] if others else [])])


def _rank(where: str, files: list[str]) -> tuple[int, int]:
    place, _ = _parts(where)
    found = PLACE.fullmatch(place)
    if where.startswith(OVERRIDE) or found is None:
        return len(files) + where.startswith(OVERRIDE), 0
    file = found["file"]
    return files.index(file) if file in files else len(files), int(found["line"])


def _parts(where: str) -> tuple[str, str]:
    """The place, and the config path that stands behind it in brackets."""
    place, _, path = where.removesuffix(")").rpartition(" (")
    return (place, path) if place and where.endswith(")") else (where, "")


def _excerpt(problem: FoundBeforeStart, texts: Mapping[str, _Text]) -> str:
    place, path = _parts(problem.where)
    if place.startswith((OVERRIDE, RECIPE)):
        argument = place.removeprefix(OVERRIDE)
        return draw("", argument, _in_argument(argument, problem))
    found = PLACE.fullmatch(place)
    text, number = (texts.get(found["file"]), int(found["line"])) if found else (None, 0)
    if text is None or not 1 <= number <= len(text.lines):
        return ""
    line = text.lines[number - 1]
    entry = _entry(text.entries(number), path, problem)
    return draw(str(number), line, _in_line(line, entry, problem))


def _in_argument(text: str, problem: FoundBeforeStart) -> Span:
    key = len(text.partition("=")[0])
    value = (key + 1, len(text)) if len(text) > key + 1 else (0, len(text))
    if isinstance(problem, WrongType):
        return value
    sign = len(text) - len(text.lstrip("+~"))
    return _named(text, (0, len(text)), problem) or (sign, key)


def _in_line(line: str, entry: _Entry | None, problem: FoundBeforeStart) -> Span:
    whole = len(line) - len(line.lstrip()), len(line.rstrip())
    if entry is None:
        return _named(line, whole, problem) or whole
    if isinstance(problem, WrongType) and entry.value is not None:
        return entry.value
    if not isinstance(problem, UnknownKey) and entry.value is not None and entry.is_single:
        found = _named(line, entry.value, problem)
        text = line[slice(*entry.value)].strip("'\"")
        if text == MISSING:
            return entry.value
        told = re.search(rf"(?<!\w){re.escape(text)}(?!\w)", problem.problem)
        if found is not None or (told and len(text) > 1):
            return found or entry.value
    spans = [span for span in (entry.key, entry.value) if span is not None]
    around = (spans[0][0], spans[-1][1]) if spans else whole
    named = _named(line, around, problem) or _named(line, whole, problem)
    if named is not None:
        return named
    return entry.key or entry.value or whole


def _named(line: str, within: Span, problem: FoundBeforeStart) -> Span | None:
    """Where a word that the problem has in quotes stands; the last one says what is wrong."""
    words = [found[1] or found[2] for found in QUOTED.finditer(problem.problem)]
    for word in [*reversed(words), *(w.rpartition(".")[2] for w in reversed(words) if "." in w)]:
        edges = r"(?<![\w-])" if word[:1].isalnum() else "", r"(?![\w-])" if _is_word(word) else ""
        found = re.compile(f"{edges[0]}{re.escape(word)}{edges[1]}").search(line, *within)
        if found is not None:
            return found.span()
    return None


def _is_word(text: str) -> bool:
    return text[-1:].isalnum()


def _entry(here: list[_Entry], path: str, problem: FoundBeforeStart) -> _Entry | None:
    if not here:
        return None
    words = {found[1] or found[2] for found in QUOTED.finditer(problem.problem)}
    if isinstance(problem, UnknownComponent):
        # The place of a component is its `use:`, of which the path may say nothing.
        here = sorted(here, key=lambda entry: entry.path[-1:] != ("use",))
    wanted = path.split(".") if path else []
    return max(here, key=lambda entry: (_alike(entry, wanted), _of(entry, words)))


def _alike(entry: _Entry, wanted: list[str]) -> int:
    """How many of the last keys of both paths are the same; keys may contain dots."""
    keys = ".".join(entry.path).split(".")
    count = 0
    for mine, theirs in zip(reversed(keys), reversed(wanted), strict=False):
        if mine != theirs:
            break
        count += 1
    return count


def _of(entry: _Entry, words: set[str]) -> bool:
    return bool(entry.path) and entry.path[-1] in words


def _entries(text: str) -> list[_Entry]:
    """Everything in a file that has a place; what stands in front of a mistake if it is no YAML."""
    found: list[_Entry] = []
    try:
        events = yaml.parse(text, Loader=LOADER)
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                _walk(next(events), events, (), None, found)
    except yaml.YAMLError:
        pass
    return found


def _walk(
    event: Any, events: Iterator[Any], path: tuple[str, ...], key: Any, found: list[_Entry]
) -> None:
    if len(path) > MAX_DEPTH:
        # Refused as such; what stands in front of it has its places.
        raise yaml.YAMLError
    begins, at = event.start_mark.line, len(found)
    start = begins if key is None else key.start_mark.line
    found.append(_Entry(start, path, _span(key, key) if key else None, None, is_single=True))
    last, single = event, isinstance(event, (yaml.ScalarEvent, yaml.AliasEvent))
    if isinstance(event, yaml.SequenceStartEvent):
        position = 0
        while not isinstance(last := next(events), yaml.SequenceEndEvent):
            _walk(last, events, (*path, str(position)), None, found)
            position += 1
    elif isinstance(event, yaml.MappingStartEvent):
        while not isinstance(last := next(events), yaml.MappingEndEvent):
            if not isinstance(last, (yaml.ScalarEvent, yaml.AliasEvent)):
                # A key that is no word, which is the mistake.
                _walk(last, events, (*path, ""), None, [])
            name = str(getattr(last, "value", ""))
            _walk(next(events), events, (*path, name), last, found)
    value = _span(event, last) if begins == start else None
    found[at] = replace(found[at], value=value, is_single=single)


def _span(first: Any, last: Any) -> Span | None:
    if first.start_mark.line != last.end_mark.line or last.end_mark.column <= 0:
        return None
    span = first.start_mark.column, last.end_mark.column
    return span if span[1] > span[0] else None
