"""The memo: what the last answer to a command rests on, so that the same answer costs next to none.

A memo is a text file in the user's own cache, found by the command, the working folder, the Python
and what of the environment every command reads. Its first line is a digest of the rest; then come
lines of what must still be so, an empty line, and the answer itself:

    F SIZE MTIME CTIME INODE DIGEST PATH   a file with this content
    D WHAT MTIME CTIME INODE DIGEST PATH   a folder with these names of a kind
    O SIZE MTIME CTIME INODE PATH          a file of the store or of a bundle, untouched
    W SIZE INODE KEYS PATH                 a journal that tells nothing new of these stages' work
    N PATH                                 there is nothing
    E DIGEST NAME                          a variable of the environment

Times and inodes only say what need not be read: where they differ, contents decide. What is changed
while a command runs, or just before it, is not believed. This module is all that a command imports
whose answer is remembered, so it names little of the standard library.
"""

import os
import sys
import time
from _blake2 import blake2b

from aidn_pipeline import __version__

FORMAT = b"1"
SEPARATOR = b"\n\n"
FRESH_NS = 2_000_000_000
"""Nanoseconds; a file system may keep times no finer than this."""
BLOCK = 1 << 18
MOST_LINES = 200_000
MOST_KEPT = 256
"""Memos; with more, the oldest go."""
LARGEST = 256 << 20
"""Bytes of a file whose content decides; a larger one that was touched is looked at in full."""
LONGEST_TAIL = 1 << 20
"""Bytes that were added to a journal; with more, the index is asked."""
STAGE = b',"kind":"stage"'
"""Stands in a journal's line of a stage's work, behind its fingerprint."""
KEY = slice(3, 11)
"""Of a fingerprint, what tells it from others; two that begin alike only cost an answer."""
KINDS: dict[bytes, tuple[bytes, ...]] = {
    b"a": (b"",),
    b"i": (b".dist-info", b".egg-info", b".pth"),
    b"p": (b".py",),
    b"y": (b".yaml",),
}
"""Endings of the names that count in a folder: all, of installed packages, of code, of configs."""
NOT_FOLDERS = (b".", b"__")
"""Beginnings of the names of folders that do not count."""
OFF = ("AIDN_MEMO", "0")
"""The variable of the environment that switches it off, and its value."""
READ = ("AIDN_HOME", "AIDN_TRUST", "PYTHONPATH", "XDG_CONFIG_HOME", "HOME", "VIRTUAL_ENV")
"""Variables of the environment that every command reads."""


class Changed(Exception):
    """Something is not as the memo says, or was changed too lately to tell."""


def is_memorable(arguments: list[str]) -> bool:
    """Whether a command is one whose answer may be remembered: a run without flags."""
    words = arguments[1:] if arguments[:1] == ["run"] else arguments
    return (
        os.environ.get(OFF[0]) != OFF[1]
        and any(word.startswith("recipe=") for word in words)
        and not any(word.startswith("-") for word in words)
    )


def recall(arguments: list[str]) -> str | None:
    """The remembered answer to a command, if all it rests on is as it was."""
    try:
        now = time.time_ns()
        lines, text = _read(_place(arguments))
        checked = [_checked(line, now) for line in lines]
        if checked != lines:
            _write(_place(arguments), checked, text)
        return text.decode()
    except (Changed, OSError, ValueError):
        return None


def touched(arguments: list[str]) -> list[str]:
    """Paths of outputs that are there and not as they were when the answer was given."""
    try:
        lines, _ = _read(_place(arguments))
    except (Changed, OSError, ValueError):
        return []
    return [path for line in lines if line[:2] == b"O " for path in _touched(line)]


def keep(arguments: list[str], lines: list[bytes], text: str) -> None:
    """Remembers an answer; one that cannot be kept is worked out again next time."""
    if len(lines) > MOST_LINES or any(b"\n" in line for line in lines):
        return
    try:
        _write(_place(arguments), lines, text.encode())
        _prune(_folder())
    except (OSError, ValueError):
        # A cache that cannot be written must not stop work.
        return


def of_file(path: str, *, before_ns: int) -> bytes:
    """The line of a file.

    Args:
        path: of it.
        before_ns: when the command began; a file that was changed later is not believed.

    Raises:
        Changed: if it was changed since, or just before.
        OSError: if it cannot be read.
    """
    name = os.fsencode(path)
    digest = _digest_of(name) if os.stat(name).st_size <= LARGEST else b"-"
    # Times of before would vouch for what an edit in between has written.
    facts = os.stat(name)
    if _is_fresh(facts, before_ns):
        raise Changed(name)
    return b"F %d %b %b %b" % (facts.st_size, _times(facts), digest, name)


def of_folder(path: str, kind: bytes, *, before_ns: int) -> bytes:
    """The line of a folder's names.

    Args:
        path: of it.
        kind: of the names that count, a key of `KINDS`.
        before_ns: when the command began; a folder that was changed later is not believed.

    Raises:
        Changed: if names were changed since, or just before.
        OSError: if it cannot be read.
    """
    name = os.fsencode(path)
    names = _names_of(name, kind)
    facts = os.stat(name)
    if _is_fresh(facts, before_ns):
        raise Changed(name)
    return b"D %b %b %b %b" % (kind, _times(facts), names, name)


def of_output(path: str) -> bytes:
    """The line of a file that a run made and nobody edits.

    Raises:
        OSError: if it is not there.
    """
    return _output(os.fsencode(path))


def _output(name: bytes) -> bytes:
    # Most lines are of these: one is made anew and compared whole.
    facts = os.stat(name)
    times = facts.st_mtime_ns, facts.st_ctime_ns, facts.st_ino
    return b"O %d %d %d %d %b" % (facts.st_size, *times, name)


def of_journal(path: str, size: int, fingerprints: list[str]) -> bytes:
    """The line of a store's journal, to which nothing may have been added of some stages' work.

    Args:
        path: of it.
        size: in bytes; what stands before is known.
        fingerprints: of the work.

    Raises:
        Changed: if no line ends there.
        OSError: if it is not there.
    """
    with open(path, "rb") as file:
        file.seek(max(0, size - 1))
        if file.read(1) not in (b"\n", b""):
            raise Changed(path)
    keys = ",".join(one[KEY] for one in fingerprints) or "-"
    return b"W %d %d %b %b" % (size, os.stat(path).st_ino, keys.encode(), os.fsencode(path))


def of_nothing(path: str) -> bytes:
    """The line of a place where nothing is."""
    return b"N " + os.fsencode(path)


def of_variable(name: str) -> bytes:
    """The line of a variable of the environment."""
    return b"E %b %b" % (_value_of(os.fsencode(name)), os.fsencode(name))


def cache_folder() -> str:
    """The user's own folder for what can be made anew; one that cannot be, of a user without."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    # Of a user without a home, or by a mistake: nothing is left in the working folder.
    return os.path.join(base if os.path.isabs(base) else os.devnull, "aidn")


def _folder() -> str:
    return os.path.join(cache_folder(), "memo")


def _place(arguments: list[str]) -> str:
    # The word may be left out.
    words = arguments[1:] if arguments[:1] == ["run"] else arguments
    here = [os.path.dirname(__file__), __version__, sys.prefix, sys.version, os.getcwd()]
    told = [os.environ.get(name, "") for name in READ]
    facts = [FORMAT, *map(os.fsencode, [*here, *told, *words])]
    text = b"".join(b"%d:%b," % (len(fact), fact) for fact in facts)
    return os.path.join(_folder(), blake2b(text, digest_size=16).hexdigest())


def _read(path: str) -> tuple[list[bytes], bytes]:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        facts = os.fstat(fd)
        if facts.st_uid != os.getuid():
            raise Changed
        with open(fd, "rb", closefd=False) as file:
            digest, _, body = file.read().partition(b"\n")
    finally:
        os.close(fd)
    lines, separator, text = body.partition(SEPARATOR)
    if not separator or _digest(body) != digest:
        raise Changed
    return lines.split(b"\n"), text


def _write(path: str, lines: list[bytes], text: bytes) -> None:
    body = b"\n".join(lines) + SEPARATOR + text
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    new = f"{path}.{os.getpid()}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
    with open(os.open(new, flags, 0o600), "wb") as file:
        file.write(_digest(body) + b"\n" + body)
    os.replace(new, path)


def _prune(folder: str) -> None:
    names = os.listdir(folder)
    if len(names) > MOST_KEPT:
        paths = [os.path.join(folder, name) for name in names]
        paths.sort(key=os.path.getmtime)
        for path in paths[: len(paths) - MOST_KEPT // 2]:
            os.remove(path)


def _touched(line: bytes) -> list[str]:
    try:
        _checked(line, 0)
    except Changed:
        return [os.fsdecode(line.split(b" ", 5)[5])]
    except (OSError, ValueError):
        return []
    return []


def _checked(line: bytes, now: int) -> bytes:
    """The line, its times brought up to date.

    Raises:
        Changed: if it does not hold any more.
        OSError: if nothing is there.
        ValueError: if it is no line.
    """
    kind, _, rest = line.partition(b" ")
    if kind == b"O":
        holds = line == _output(rest.split(b" ", 4)[4])
    elif kind in (b"F", b"D"):
        first, times, path = _split(rest)
        digest, _, path = path.partition(b" ")
        facts = os.stat(path)
        if _times(facts) == times and (kind == b"D" or facts.st_size == int(first)):
            return line
        if kind == b"D":
            holds = _names_of(path, first) == digest
        else:
            holds = facts.st_size == int(first) and _digest_of(path) == digest
        if holds and not _is_fresh(facts, now):
            return b"%b %b %b %b %b" % (kind, first, _times(facts), digest, path)
    elif kind == b"W":
        return _checked_journal(line)
    elif kind == b"E":
        value, _, name = rest.partition(b" ")
        holds = _value_of(name) == value
    else:
        holds = kind == b"N" and not os.path.lexists(rest)
    if not holds:
        raise Changed(line)
    return line


def _checked_journal(line: bytes) -> bytes:
    _, begin, inode, keys, path = line.split(b" ", 4)
    facts = os.stat(path)
    size = facts.st_size - int(begin)
    if facts.st_ino != int(inode) or not 0 <= size <= LONGEST_TAIL:
        raise Changed(line)
    if not size:
        return line
    with open(path, "rb") as file:
        file.seek(int(begin))
        added = file.read(size).split(b"\n")
    known = set(keys.split(b","))
    told = [one.split(b'{"key":"', 1)[-1].partition(b'"') for one in added]
    # What stands behind the last line is still being written.
    if added[-1] or any(key[KEY] in known and more.startswith(STAGE) for key, _, more in told):
        raise Changed(line)
    return b"W %d %b %b %b" % (facts.st_size, inode, keys, path)


def _split(rest: bytes) -> tuple[bytes, bytes, bytes]:
    """What stands before the three numbers of a file's times, they, and what stands behind."""
    first, mtime, ctime, inode, path = rest.split(b" ", 4)
    return first, b"%b %b %b" % (mtime, ctime, inode), path


def _is_fresh(facts: os.stat_result, now: int) -> bool:
    # What was written a moment ago may be written again without its times telling.
    return max(facts.st_ctime_ns, facts.st_mtime_ns) + FRESH_NS > now


def _times(facts: os.stat_result) -> bytes:
    return b"%d %d %d" % (facts.st_mtime_ns, facts.st_ctime_ns, facts.st_ino)


def _digest(data: bytes) -> bytes:
    return blake2b(data, digest_size=16).hexdigest().encode()


def _digest_of(path: bytes) -> bytes:
    hasher = blake2b(digest_size=16)
    with open(path, "rb") as file:
        while block := file.read(BLOCK):
            hasher.update(block)
    return hasher.hexdigest().encode()


def _names_of(path: bytes, kind: bytes) -> bytes:
    endings = KINDS[kind]
    with os.scandir(path) as entries:
        names = [
            entry.name
            for entry in entries
            if entry.name.endswith(endings)
            or (kind != b"i" and entry.is_dir() and not entry.name.startswith(NOT_FOLDERS))
        ]
    return _digest(b"\0".join(sorted(names)))


def _value_of(name: bytes) -> bytes:
    value = os.environb.get(name)
    return b"-" if value is None else _digest(value)
