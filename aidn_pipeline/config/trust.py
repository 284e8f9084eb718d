"""Trust: code of a workspace runs only after its owner said so once.

A decision is keyed by the workspace's path, its owner and what `[tool.aidn]` says, so that a
changed list of packages, or another workspace put in the same place, asks again.
"""

import os
from pathlib import Path

from aidn_pipeline.config.project import Project
from aidn_pipeline.core.fingerprint import Fingerprint
from aidn_pipeline.core.home import settings_folder
from aidn_pipeline.errors import ConfigError, NotTrusted


def needs_trust(project: Project) -> bool:
    """Whether the project names code of its own."""
    return bool(project.packages or project.components)


def is_trusted(project: Project) -> bool:
    """Whether the project's code may run: it has none, was trusted, or `AIDN_TRUST=1`."""
    if not needs_trust(project) or os.environ.get("AIDN_TRUST") == "1":
        return True
    return decision_file(project).is_file()


def require_trust(project: Project) -> None:
    """Returns if the project's code may run.

    Raises:
        NotTrusted: if nobody said so.
    """
    if not is_trusted(project):
        named = ", ".join([*project.packages, *project.components.values()])
        raise NotTrusted(
            f"this workspace names code of its own ({named}) and has not been trusted",
            where=str(project.root / "pyproject.toml"),
            remedy="read it, then type `aidn-run trust` once (in CI: AIDN_TRUST=1)",
        )


def trust(project: Project) -> Path:
    """Records that the project's code may run; returns the file that says so.

    Raises:
        ConfigError: if the decision cannot be written.
    """
    path = decision_file(project)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(path, flags, 0o600), "w", encoding="utf-8") as file:
            file.write(f"{project.root}\n{project.settings}\n")
    except OSError as problem:
        raise ConfigError(
            f"the decision cannot be written: {problem.strerror}",
            where=str(path),
            remedy="make the folder writable, or set AIDN_TRUST=1",
        ) from problem
    return path


def decision_file(project: Project) -> Path:
    """The file that says that a project's code may run, if it was trusted."""
    owner = project.root.stat().st_uid
    key = Fingerprint.of("trust", [str(project.root), owner, project.settings])
    return settings_folder() / "trust" / key.hex
