"""`aidn-run trust`: let this workspace's own code run."""

from collections.abc import Sequence

from aidn_pipeline.cli.arguments import parse
from aidn_pipeline.config.project import find_project
from aidn_pipeline.config.trust import needs_trust, trust


def main(given: Sequence[str]) -> int:
    """Records the trust."""
    parse(given, {}, verb="trust")
    project = find_project()
    if not needs_trust(project):
        print(f"{project.root} names no code of its own: there is nothing to trust")
        return 0
    place = trust(project)
    print(f"trusted: {', '.join([*project.packages, *project.components])} of {project.root}")
    print(f"recorded in {place}; a change of [tool.aidn] asks again")
    return 0
