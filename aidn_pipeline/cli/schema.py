"""`aidn-run schema [NAME | --write]`: the JSON Schemas of a project's YAML, for its editor."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from aidn_pipeline.cli.arguments import Kind, parse
from aidn_pipeline.cli.text import printable
from aidn_pipeline.config.builtin import data_folder
from aidn_pipeline.config.editor import FOLDER
from aidn_pipeline.config.library import Library
from aidn_pipeline.config.nearest import nearest
from aidn_pipeline.config.schema import RECIPE
from aidn_pipeline.config.schema_files import (
    documents,
    head,
    header,
    headers,
    text,
    write,
)
from aidn_pipeline.errors import ConfigError, UsageError
from aidn_pipeline.facade.workspace import Workspace

FLAGS: dict[str, Kind] = {"--write": "switch", "--in": "value", "--headers": "switch"}
RUN = "run"
"""Of what `--json` prints, which no project changes."""


def main(given: Sequence[str]) -> int:
    """Prints one schema, or writes them all."""
    arguments = parse(given, FLAGS, verb="schema")
    written = arguments.has("--write") or arguments.has("--headers")
    if arguments.has("--in") and not written:
        raise UsageError(
            "--in says where --write writes",
            where=" ".join(["aidn-run schema", *given]),
            remedy="add `--write`",
        )
    words = list(arguments.words)
    if len(words) != (0 if written else 1):
        raise UsageError(
            "schema prints one schema, or writes them all",
            where=" ".join(["aidn-run schema", *given]),
            remedy="write `aidn-run schema recipe`, or `aidn-run schema --write`",
        )
    if written:
        return _write(arguments.one("--in"), with_headers=arguments.has("--headers"))
    return _print(words[0])


def _print(name: str) -> int:
    if name == RUN:
        path = data_folder("schemas") / f"{RUN}.schema.json"
        print(path.read_text(encoding="utf-8"), end="")
        return 0
    found = documents(_library())
    known = {key.removesuffix(".schema.json").removeprefix("conf/"): key for key in found}
    if name not in known:
        raise UsageError(
            f"there is no schema {name!r}",
            where=f"aidn-run schema {name}",
            remedy=nearest(name, [*known, RUN], noun="schemas"),
        )
    print(text(found[known[name]]), end="")
    return 0


def _library() -> Library:
    workspace = Workspace.around()
    return Library(workspace.project, workspace.index)


def _write(given: str | None, *, with_headers: bool) -> int:
    library = _library()
    project = library.project
    folder = Path(given).expanduser().absolute() if given else project.root / FOLDER
    try:
        files = write(library, folder)
        lines = headers(project, folder, library.index)
        changed = head(lines) if with_headers else []
    except OSError as problem:
        raise ConfigError(
            f"the schemas cannot be written: {problem.strerror}",
            where=str(problem.filename or folder),
            remedy="choose a folder that is writable with `--in FOLDER`",
        ) from problem
    print(printable(f"wrote {len(files)} schemas to {library.shown(folder)}"))
    for file in changed:
        print(printable(f"wrote its first line into {library.shown(file)}"))
    missing = [file for file in lines if lines[file] not in file.read_text(encoding="utf-8")]
    print(printable("\n".join(_told(project.root, folder))))
    if missing:
        print(f"\n{len(missing)} files have none: `aidn-run schema --write --headers` adds it.")
    if folder == project.root / FOLDER:
        print("\nThey are kept fresh by every run; do not commit them.")
    else:
        print("\nCommit them, and write them again when components or presets have changed.")
    return 0


def _told(root: Path, folder: Path) -> Iterator[str]:
    yield "\nAn editor with the YAML language server (VS Code: the extension redhat.vscode-yaml)"
    yield "finds the schema of a file by a comment on top of it:\n"
    recipe, preset = root / "recipes" / "x.yaml", root / "conf" / "model" / "x.yaml"
    yield f"  recipes/*.yaml      {header(recipe, folder, f'{RECIPE}.schema.json')}"
    yield f"  conf/model/*.yaml   {header(preset, folder, 'conf/model.schema.json')}"
