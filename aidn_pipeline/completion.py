"""What may be typed next on the command line, from a list that is remembered.

A shell calls `aidn-run --complete SHELL LINE` for each TAB, so this imports what a remembered
answer does (`aidn_pipeline.memo`) and no more. `aidn_pipeline.cli.candidates` makes the list: one
candidate in each line, `KIND WORD ABOUT` with tabs between, where KIND is one of

    verb  flag (WORD is `VERB --flag METAVAR`)  word (`VERB WORD`)  takes (ABOUT is what VERB takes)
    recipe  key (`trainer.epochs=`)  value (`model=cnn`)  stage  group
"""

import os
import sys
from collections.abc import Callable, Iterator

from aidn_pipeline import memo

SPACE = " \t\n"
QUOTES = "'\""
RUN = b'"kind":"run"'
"""Stands in a journal's line of a run, behind its id."""
LONGEST_NAME = 400
"""Bytes at the beginning of a line that have it."""
TAIL = 1 << 20
"""Bytes at the end of a journal that are searched for runs."""
MOST_RUNS = 50
OPEN = ("=", ".", "/")
"""Ends of a word that something follows without a space."""
BY_METAVAR = {
    "A": "run",
    "B": "run",
    "GROUP": "group",
    "KEY": "key",
    "RUN": "run",
    "STAGE": "stage",
}
"""What the names in a usage line stand for; others are files, or anything."""

IN_LAST_RECIPE = (["why"], ["accept"], ["blame"])
"""Verbs that ask for the recipe of the last run if none is named."""

Candidate = tuple[str, str]


def main(arguments: list[str], listed: Callable[[str], str]) -> int:
    """Prints the candidates for a line; nothing, if anything goes wrong.

    Args:
        arguments: the shell (`bash`, `zsh` or `fish`), and the line up to the cursor.
        listed: makes the list of all candidates for a recipe.
    """
    shell, line = (*arguments, "", "")[:2]
    for word, about in candidates(line, listed):
        if shell == "bash":
            sys.stdout.write(word + ("\n" if word.endswith(OPEN) else " \n"))
        else:
            sys.stdout.write(f"{word}\t{about}\n")
    return 0


def candidates(line: str, listed: Callable[[str], str]) -> list[Candidate]:
    """The words that may stand where a line ends, each with what it means."""
    words, current = split(line)
    recipe = next((word for word in words if word.startswith("recipe=")), "")
    if not recipe and words[1:2] in IN_LAST_RECIPE:
        recipe = next(iter(_ends(b',"recipe":"', b'","run":"')), "")
        recipe = f"recipe={recipe}" if recipe else ""
    text = memo.recall(["--complete", recipe])
    if text is None:
        text = listed(recipe)
    rows = [tuple(row.split("\t", 2)) for row in text.splitlines()]
    found = _fitting([row for row in rows if len(row) == 3], words[1:], current)
    return list({word: (word, about) for word, about in found if word.startswith(current)}.values())


def split(line: str) -> tuple[list[str], str]:
    """The finished words of a line, and the one that is being typed, without quotes."""
    words: list[str] = []
    word, quote, begun = "", "", False
    for character in line:
        if quote:
            quote = "" if character == quote else quote
            word += "" if not quote else character
        elif character in QUOTES:
            quote, begun = character, True
        elif character in SPACE:
            if word or begun:
                words.append(word)
            word, begun = "", False
        else:
            word += character
    return words, word


def _fitting(rows: list[tuple[str, ...]], words: list[str], current: str) -> list[Candidate]:
    def of(kind: str) -> list[Candidate]:
        return [(word, about) for k, word, about in rows if k == kind]

    verbs = dict(of("verb"))
    verb = words[0] if words and words[0] in verbs else "run"
    flags = [(word.split(" "), about) for word, about in of("flag")]
    mine = [(word[1], word[2], about) for word, about in flags if word[0] == verb]
    takes = dict(of("takes")).get(verb, "").split()
    if words and (metavar := {f: m for f, m, _ in mine}.get(words[-1], "")):
        return _named(BY_METAVAR.get(metavar, ""), of, current)
    if current.startswith("-"):
        return [(flag, about) for flag, _, about in mine]
    found: list[Candidate] = []
    if not words:
        found += verbs.items()
    own = [(word.partition(" "), about) for word, about in of("word")]
    found += [(word[2], about) for word, about in own if words[-1:] == [verb] == [word[0]]]
    if any(word.startswith("recipe=") for word in words):
        takes = [taken for taken in takes if taken != "recipe"]
    for taken in takes:
        found += _named(BY_METAVAR.get(taken, taken), of, current)
    return found


def _named(kind: str, of: Callable[[str], list[Candidate]], current: str) -> list[Candidate]:
    if kind == "run":
        return [(run, "") for run in runs()]
    if kind == "recipe":
        named = [(f"recipe={word}", about) for word, about in of("recipe")]
        return named if current.startswith("recipe=") else [("recipe=", "what to run")]
    if kind == "change":
        return of("value") if "=" in current else _next_part(of("key"), current)
    if kind == "key":
        return _next_part([(word.rstrip("="), about) for word, about in of("key")], current)
    return of(kind)


def _next_part(keys: list[Candidate], current: str) -> list[Candidate]:
    """Keys up to their next dot, so that a long list is walked through in steps."""
    found: dict[str, str] = {}
    for word, about in keys:
        if word.startswith(current):
            dot = word.find(".", len(current))
            found.setdefault(word if dot < 0 else word[: dot + 1], about if dot < 0 else "")
    return list(found.items())


def runs() -> list[str]:
    """Ids of the last runs of the project around the working folder, the newest first."""
    return list(dict.fromkeys(_ends(b'{"key":"', b'","kind":"run"')))[:MOST_RUNS]


def _ends(begins: bytes, ends: bytes) -> Iterator[str]:
    """What stands between two texts in the lines of runs at the journal's end, the last first."""
    try:
        store = os.environ.get("AIDN_HOME") or _store()
        with open(os.path.join(store, "journal", "000001.log"), "rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL))
            lines = file.read().split(b"\n")
    except OSError:
        return
    for line in reversed(lines):
        if RUN in line[:LONGEST_NAME]:
            found, end, _ = line.split(begins, 1)[-1].partition(ends)
            if end and found.isascii():
                yield found.decode()


def _store() -> str:
    folder = os.getcwd()
    while not os.path.isdir(os.path.join(folder, ".aidn")) and folder != os.path.dirname(folder):
        folder = os.path.dirname(folder)
    return os.path.join(folder, ".aidn")
