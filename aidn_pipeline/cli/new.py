"""`aidn-run new NAME`: a project that runs at once, from a table or with made-up rows."""

import importlib.util
import keyword
import re
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from aidn_pipeline.cli.arguments import Kind as Flag
from aidn_pipeline.cli.arguments import Parsed, parse
from aidn_pipeline.cli.projects.images import ImageProject
from aidn_pipeline.cli.projects.scaffold import check_free, scaffold
from aidn_pipeline.cli.projects.start import Given, Kind, common_values, not_usable
from aidn_pipeline.cli.projects.table import TableProject
from aidn_pipeline.cli.projects.text import TextProject
from aidn_pipeline.cli.text import printable, table
from aidn_pipeline.config.builtin import data_folder
from aidn_pipeline.config.editor import refresh
from aidn_pipeline.config.indexes import builtin_index, own_components
from aidn_pipeline.config.nearest import nearest
from aidn_pipeline.config.project import find_project
from aidn_pipeline.config.recipe import load_recipe
from aidn_pipeline.config.trust import decision_file, needs_trust, trust
from aidn_pipeline.errors import AidnError, ConfigError, DataError, UsageError
from aidn_pipeline.facade.tables import columns

FLAGS: dict[str, Flag] = {
    "--kind": "value",
    "--from": "value",
    "--target": "value",
    "--text": "value",
    "--in": "value",
}
KINDS: dict[str, Kind] = {"table": TableProject(), "text": TextProject(), "images": ImageProject()}
MADE_UP = "none: made-up data"
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
FOLDERS = {"conf", "recipes", "tests", "data", "bundles", "src", "docs", "test"}
"""Names that stand for something else in a project."""
WHERE = {
    "recipes/": "the pipeline: start here",
    "{package}/model.py": "the network",
    "{package}/metrics.py": "what it is judged by",
    "{package}/data.py": "how the data are read",
    "conf/": "a preset: the network with other sizes",
    "tests/test_metrics.py": "tests of the metric",
    "tests/": "tests, with a smoke run of the whole pipeline",
}
"""What the files of a project are."""


def main(given: Sequence[str]) -> int:
    """Writes the project and says what to type next."""
    arguments = parse(given, FLAGS, verb="new")
    asking = sys.stdin.isatty() and sys.stdout.isatty()
    name = _name(arguments, given, asking=asking)
    package = check_name(name)
    target = Path(arguments.one("--in") or ".").expanduser() / name
    if not _was_broken_off(target):
        check_free(target)
    kind = _kind(arguments, asking=asking)
    begun = _given(arguments, kind, asking=asking)
    with TemporaryDirectory(prefix="aidn-") as folder:
        found = kind.start(begun, package, Path(folder))
    words = {**common_values(found, name, package), **kind.values(found, package)}
    metrics = "regression" if found.task == "regression" else "classes"
    files = scaffold(target, ("every", metrics, kind.layer), words, found.files)
    _compose(target, package)
    recipe = f"recipes/{package}.yaml"
    report = kind.report(found, recipe, (target / recipe).read_text(encoding="utf-8"))
    print(printable(report))
    print(f"\n{target}/")
    print(table(_tree(files, package), indent="  "))
    print(_trusted(target))
    print(f"\nnext:\n  cd {shlex.quote(str(target))}\n  aidn-run recipe={package}")
    return 0


def _was_broken_off(target: Path) -> bool:
    """Whether a project is there that nobody said is trusted, which is the last thing done."""
    if not (target / "pyproject.toml").is_file():
        return False
    try:
        project = find_project(target)
    except AidnError:
        return False
    return needs_trust(project) and not decision_file(project).is_file()


def _name(arguments: Parsed, given: Sequence[str], *, asking: bool) -> str:
    if len(arguments.words) == 1:
        return arguments.words[0]
    if arguments.words or not asking:
        raise UsageError(
            "new takes one name",
            where=" ".join(["aidn-run new", *given]),
            remedy="write `aidn-run new churn`",
        )
    return ask("name of the project", "churn")


def ask(question: str, default: str) -> str:
    """An answer typed on the terminal; Enter takes the default."""
    try:
        return input(f"{question} [{default}]: ").strip() or default
    except EOFError:
        raise KeyboardInterrupt from None


def _kind(arguments: Parsed, *, asking: bool) -> Kind:
    kind = arguments.one("--kind")
    if kind is None and asking and "--from" not in arguments.values:
        kind = ask(f"what the data are: {', '.join(KINDS)}", "table")
    kind = kind or "table"
    if kind not in KINDS:
        raise UsageError(
            f"there is no kind {kind!r} of project",
            where=f"--kind {kind}",
            remedy=nearest(kind, list(KINDS), noun="kinds"),
        )
    return KINDS[kind]


def _given(arguments: Parsed, kind: Kind, *, asking: bool) -> Given:
    source, label = arguments.one("--from"), arguments.one("--target")
    if source is None and asking and "--kind" not in arguments.values:
        source = ask(f"your data ({kind.takes})", MADE_UP)
        source = None if source == MADE_UP else source
    if source is None:
        if label is not None:
            raise UsageError(
                "--target names a column of a file, and there is none",
                where=f"--target {label}",
                remedy="add `--from data.csv`",
            )
        return Given()
    path = Path(source).expanduser()
    if label is None and kind.target:
        label = _label(path, asking=asking)
    return Given(path, label or "", arguments.one("--text") or "")


def _label(path: Path, *, asking: bool) -> str:
    try:
        names = columns(path)
    except DataError as error:
        raise not_usable(error, path) from error
    if not asking:
        raise UsageError(
            "which column is to be predicted?",
            where=f"--from {path}",
            remedy=f"add `--target` with one of: {', '.join(names[:40])}",
        )
    print(printable(f"its columns: {', '.join(names)}"))
    return ask("column to be predicted", names[-1])


def check_name(name: str) -> str:
    """The package of a project's name.

    Raises:
        UsageError: if it cannot be one, or would hide something.
    """
    package = name.replace("-", "_").lower()
    problem = ""
    if not NAME.fullmatch(name):
        problem = "a name begins with a letter and has letters, digits, - and _"
    elif keyword.iskeyword(package) or package in sys.stdlib_module_names:
        problem = f"`{package}` means something in Python itself"
    elif package in FOLDERS or package in builtin_index().groups():
        problem = f"`{package}` is a folder or a group of every project"
    elif (data_folder("recipes") / f"{package}.yaml").exists():
        problem = f"`{package}` is a shipped recipe"
    elif _is_installed(package):
        problem = f"a package `{package}` is installed here, which would hide the project's own"
    if problem:
        fine = re.sub(r"[^A-Za-z0-9_-]", "-", name).strip("-_") or "project"
        proposal = f"my-{fine}" if fine == name or not NAME.fullmatch(fine) else fine
        raise UsageError(problem, where=f"aidn-run new {name}", remedy=f"such as `{proposal}`")
    return package


def _is_installed(package: str) -> bool:
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return False
    # A folder without `__init__.py` somewhere on the path is no package of anybody's.
    return spec is not None and spec.origin is not None


def _compose(target: Path, package: str) -> None:
    """Reads the new recipe, as the first command will; if it cannot be, nothing is left of it.

    Raises:
        UsageError: if the data have names that no recipe can have.
    """
    try:
        project = find_project(target)
        # What was just written here needs no trust.
        index = builtin_index().merged(own_components(project))
        load_recipe(package, (), project, index)
        refresh(project, index)
    except BaseException as error:
        shutil.rmtree(target)
        if not isinstance(error, AidnError):
            raise
        raise UsageError(
            f"these data give no recipe that can be read: {error.problem}",
            where=error.where,
            remedy="rename in the data what is named here",
        ) from error


def _tree(files: Sequence[str], package: str) -> list[list[str]]:
    where = {key.format(package=package): said for key, said in WHERE.items()}
    data = [f for f in files if f.startswith("data/")]
    rows = [
        [f, next((said for key, said in where.items() if f.startswith(key)), "")]
        for f in files
        if f not in data or len(data) == 1
    ]
    if len(data) > 1:
        rows.append([f"data/{package}/", f"{len(data)} files"])
    return sorted(rows)


def _trusted(target: Path) -> str:
    try:
        trust(find_project(target))
    except ConfigError as error:
        return f"\nits own code is not trusted yet ({error.problem}): type `aidn-run trust` there"
    return "\nits own code was written here and is trusted; a change of [tool.aidn] asks again"
