"""The text of a saved result: JSON with a digest over everything else in it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aidn_pipeline.core.fingerprint import digest_bytes
from aidn_pipeline.errors import CorruptObject, ModelNotFound, NewerFormat

FORMAT = 1


def digest_of(value: Mapping[str, Any]) -> str:
    """The digest of what a saved result says, without the digest itself."""
    # Not the canonical form: a metric may be infinite.
    said = {key: item for key, item in value.items() if key != "digest"}
    return digest_bytes(json.dumps(said, sort_keys=True).encode())


def saved_text(value: Mapping[str, Any]) -> str:
    """What is written of a result."""
    return json.dumps({**value, "digest": digest_of(value)}, indent=2) + "\n"


def read_saved(file: Path) -> Mapping[str, Any]:
    """What was written, once it is known to be that.

    Raises:
        ModelNotFound: if there is no saved result.
        NewerFormat: if a later release wrote it.
        CorruptObject: if it is not what was written.
    """
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
        found = value["format"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as problem:
        raise ModelNotFound(
            f"there is no saved result: {problem}",
            where=str(file),
            remedy="name a folder that `AiModelResult.save` wrote",
        ) from problem
    if found != FORMAT:
        raise NewerFormat(
            f"a saved result of format {found}, this release reads {FORMAT}",
            where=str(file),
            remedy="use the release that wrote it",
        )
    if value.get("digest") != digest_of(value):
        raise CorruptObject(
            "the saved result is damaged: its digest says something else",
            where=str(file),
            remedy="save it again; its bundle may be whole: `aidn-run predict FOLDER/bundle`",
        )
    return dict(value)
