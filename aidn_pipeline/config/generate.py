"""Writes what is generated from the source: component index, code stamps, schemas.

python -m aidn_pipeline.config.generate            # index and schemas; stamps of new versions
python -m aidn_pipeline.config.generate --stamp    # also: changed code means the same as before
python -m aidn_pipeline.config.generate --check    # writes nothing; exit 1 if a file is stale
"""

import argparse
import importlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from aidn_pipeline.config.builtin import PACKAGE, data_folder
from aidn_pipeline.config.code import Codebase
from aidn_pipeline.config.discover import assigns, components_in
from aidn_pipeline.config.indexes import FORMAT
from aidn_pipeline.config.introspect import spec_of, spec_of_external
from aidn_pipeline.config.library import Library
from aidn_pipeline.config.project import Project
from aidn_pipeline.config.schema_files import documents, headed, headers, text
from aidn_pipeline.core.fingerprint import Fingerprint
from aidn_pipeline.core.index import ComponentSpec, Index

NAME = "aidn_pipeline"
FOUNDATION = tuple(f"{NAME}.{part}" for part in ("core", "errors", "store", "engine", "config"))
"""Held by the store's own format and tests; no part of a component's stamp."""


def builtin_components() -> list[ComponentSpec]:
    """The entries of all shipped components, from the live classes, sorted by key."""
    specs = [spec for module, _ in _modules() for spec in _specs_of(module)]
    return sorted(specs, key=lambda spec: spec.key)


def stamps(specs: Sequence[ComponentSpec]) -> dict[str, dict[str, Any]]:
    """Version and code digest of each shipped component whose code is ours."""
    codebase = _codebase()
    found = {}
    for spec in specs:
        if spec.module.startswith(f"{NAME}."):
            code, _ = codebase.closure(spec.module)
            found[spec.key] = {"version": spec.version, "code": str(Fingerprint.of("stamp", code))}
    return found


def restamped(
    old: Mapping[str, Any], new: Mapping[str, Any], *, accept: bool
) -> dict[str, dict[str, Any]]:
    """New stamps; of a component whose code changed under the same version, the old one.

    Args:
        old: stamps as committed.
        new: stamps of the source.
        accept: take all new ones: the changes mean the same.
    """
    return {
        key: stamp if accept or old.get(key, {}).get("version") != stamp["version"] else old[key]
        for key, stamp in new.items()
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes or checks the files; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m aidn_pipeline.config.generate", description=__doc__
    )
    parser.add_argument("--check", action="store_true", help="write nothing, tell what is stale")
    parser.add_argument(
        "--stamp", action="store_true", help="changed code means the same as before"
    )
    options = parser.parse_args(arguments)
    folder = data_folder("schemas")
    specs = builtin_components()
    old = _read(folder / "stamps.json")
    new = stamps(specs)
    wanted = {
        "components.json": {"format": FORMAT, "components": [spec.to_json() for spec in specs]},
        **documents(_shipped(specs)),
        "stamps.json": new if options.check else restamped(old, new, accept=options.stamp),
    }
    files = {
        folder / name: text(v) for name, v in wanted.items() if _read(folder / name) != _plain(v)
    }
    files |= _without_header(folder, Index(specs))
    for file, content in files.items():
        shown = file.relative_to(folder.parent)
        if options.check:
            _say(f"{shown} is stale: run python -m aidn_pipeline.config.generate")
            continue
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content, encoding="utf-8")
        _say(f"wrote {shown}")
    _tell_unstamped(old if options.check else _read(folder / "stamps.json"), new)
    return 1 if files and options.check else 0


def _shipped(specs: Sequence[ComponentSpec]) -> Library:
    """Our recipes and presets, without those of any project."""
    root = data_folder("conf").resolve().parent
    return Library(Project(root=root, store_root=root / ".aidn"), Index(specs))


def _without_header(schemas: Path, index: Index) -> dict[Path, str]:
    """Shipped YAML that does not name its schema on top, as it would be with that line."""
    project = _shipped(list(index)).project
    found = {}
    for file, line in headers(project, schemas.resolve(), index).items():
        content = file.read_text(encoding="utf-8")
        if line not in content.splitlines():
            found[file] = headed(content, line)
    return found


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def _tell_unstamped(old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    for key, stamp in new.items():
        if key in old and old[key] != stamp:
            _say(
                f"the code of {key} changed: bump `version=` in its decorator if a result can "
                "differ, else run with --stamp"
            )


def _codebase() -> Codebase:
    return Codebase(
        PACKAGE.parent,
        (PACKAGE.parent,),
        lambda m: m.startswith(f"{NAME}.") and not m.startswith(FOUNDATION),
    )


def _modules() -> Iterator[tuple[str, Path]]:
    for module, file in _codebase().modules_of(NAME):
        if not module.startswith((*FOUNDATION, f"{NAME}.testing")):
            yield module, file


def _specs_of(module: str) -> Iterator[ComponentSpec]:
    codebase = _codebase()
    file = codebase.file_of(module)
    assert file is not None
    tree = codebase.tree(file)[1]
    found = list(components_in(tree, file))
    if not found and not assigns(tree, "EXTERNAL"):
        return
    live = importlib.import_module(module)
    for item in found:
        yield spec_of(getattr(live, item.attribute))
    for key, path in getattr(live, "EXTERNAL", {}).items():
        yield spec_of_external(key, path)


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value))


if __name__ == "__main__":
    sys.exit(main())
