"""A short run of the fuzzer: no reader raises anything but errors of ours, or takes long."""

import struct
from collections.abc import Mapping
from pathlib import Path

import pytest
from hostile.fuzz import SLOW_S, Tally, fuzz
from support.mutation import deep, sound_text
from support.strangers import BUNDLE, Reader, readers

from aidn_pipeline.core.fingerprint import canonical_json, digest_bytes
from aidn_pipeline.errors import AidnError

NAMES = (
    *("journal", "work journal", "store header", "index", "manifest", "segment", "tensors"),
    *("checkpoint.json", "model.json", "bundle weights", "dataset.json", "csv", "jsonl", "texts"),
    *("parquet", "picture", "folder of pictures", "config text", "recipe", "overrides"),
    *("condition", "pyproject.toml", "result.json", "rows", "row"),
)
JSON = (
    *("manifest", "checkpoint.json", "model.json", "dataset.json", "result.json", "row"),
    *("store header", "pyproject.toml"),
)


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Reader]:
    """All readers."""
    return readers(tmp_path_factory.mktemp("seeds"))


def test_every_reader_is_fuzzed(known: Mapping[str, Reader]) -> None:
    assert set(known) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_mutated_bytes_end_in_errors_of_ours(known: Mapping[str, Reader], name: str) -> None:
    tally = fuzz(name, known[name], 0.3, seed=20261127)
    assert tally.failures == {}
    assert tally.cases > 0
    assert tally.slowest[0] < SLOW_S


def test_the_fuzzer_tells_what_is_not_ours_and_what_is_slow(tmp_path: Path) -> None:
    def broken(data: bytes, folder: Path) -> None:
        raise KeyError(data)

    tally = fuzz("broken", Reader(broken, lambda dice: b"x"), 0.01, seed=0)
    assert "KeyError in" in next(iter(tally.failures))
    assert not tally.is_sound
    assert not Tally(slowest=(2.0, 1)).is_sound
    assert not Tally(grown=2**30).is_sound


@pytest.mark.parametrize("name", JSON)
@pytest.mark.parametrize(
    "data",
    [deep(100_000), b"[" * (1 << 20), b'{"a":' * 50_000, b"9" * 20_000, b"a = " + deep(9999)],
)
def test_deep_and_huge_texts_end_in_errors_of_ours(
    known: Mapping[str, Reader], name: str, data: bytes, tmp_path: Path
) -> None:
    with pytest.raises(AidnError):
        known[name].read(data, tmp_path)


def header(value: object, length: int | None = None, data: bytes = b"\0" * 16) -> bytes:
    text = sound_text(value)
    return struct.pack("<Q", len(text) if length is None else length) + text + data


F32 = {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}
BOMBS = {
    "a header longer than the file": header({}, 2**40),
    "the longest header": header({}, 2**64 - 1),
    "no header": b"",
    "half a length": b"\0\0\0",
    "offsets that overlap": header({"a": F32, "b": F32}),
    "a hole": header({"a": {**F32, "data_offsets": [4, 16]}}),
    "offsets behind the end": header({"a": {**F32, "data_offsets": [0, 2**40]}}),
    "negative offsets": header({"a": {**F32, "data_offsets": [-16, 0]}}),
    "a huge shape": header({"a": {**F32, "shape": [2**62, 2**62]}}),
    "a huge shape of nothing": header({"a": {**F32, "shape": [2**62, 0], "data_offsets": [0, 0]}}),
    "a negative shape": header({"a": {**F32, "shape": [-4]}}),
    "a type nobody knows": header({"a": {**F32, "dtype": "PICKLE"}}),
    "deep": struct.pack("<Q", 200_000) + deep(100_000),
}


@pytest.mark.parametrize("bomb", BOMBS)
@pytest.mark.parametrize("name", ["tensors", "bundle weights"])
def test_bombs_of_tensors_end_in_errors_of_ours(
    known: Mapping[str, Reader], name: str, bomb: str, tmp_path: Path
) -> None:
    try:
        known[name].read(BOMBS[bomb], tmp_path)
    except AidnError:
        return
    # Only a tensor without numbers may have any shape.
    assert (name, bomb) == ("tensors", "a huge shape of nothing")


@pytest.mark.parametrize(
    ("field", "value"), [("layers", 2**62), ("hidden", 2**40), ("layers", 10**6)]
)
def test_a_model_described_as_huge_is_not_built(
    known: Mapping[str, Reader], field: str, value: int, tmp_path: Path
) -> None:
    document = {**BUNDLE, "model": {**BUNDLE["model"], field: value}}
    tally = fuzz("huge", Reader(known["model.json"].read, lambda dice: _signed(document)), 0.01, 0)
    assert tally.failures == {}
    assert tally.taken == 0
    assert tally.slowest[0] < SLOW_S


def _signed(value: dict[str, object]) -> bytes:
    plain = {k: v for k, v in value.items() if k != "digest"}
    return canonical_json({**plain, "digest": digest_bytes(canonical_json(plain))})
