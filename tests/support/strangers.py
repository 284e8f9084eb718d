"""Every reader of bytes that a stranger may have written, with seeds and mutations for it."""

import io
import json
import random
import shutil
import sqlite3
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq
import torch
from blake3 import blake3
from PIL import Image as Pictures

from aidn_pipeline.cli.rows import parse_row, read_rows
from aidn_pipeline.config.builtin import data_folder
from aidn_pipeline.config.condition import decide
from aidn_pipeline.config.indexes import builtin_index
from aidn_pipeline.config.project import find_project
from aidn_pipeline.config.recipe import load_recipe
from aidn_pipeline.config.text import read_mapping
from aidn_pipeline.core.artifact import File, Metrics
from aidn_pipeline.core.columns import Image
from aidn_pipeline.core.describe import build, complete
from aidn_pipeline.core.fingerprint import digest_bytes
from aidn_pipeline.core.record import RunRecord, StageRecord
from aidn_pipeline.data.dataset import DatasetView, snapshot_files
from aidn_pipeline.data.sources.image_folder import ImageFolderSource
from aidn_pipeline.data.sources.table import TableSource
from aidn_pipeline.data.sources.text import TextSource
from aidn_pipeline.errors import AidnError, StoreError
from aidn_pipeline.export.bundle import WEIGHTS, bundle_document, open_bundle
from aidn_pipeline.facade.result import AiModelResult
from aidn_pipeline.facade.runs import ended, error_recorded, find_run, stage_results
from aidn_pipeline.facade.saved import digest_of
from aidn_pipeline.inputs.images import read_pixels
from aidn_pipeline.store.check import check
from aidn_pipeline.store.gc import Collector
from aidn_pipeline.store.objects import parse_tree
from aidn_pipeline.store.places import refuse_leading_out
from aidn_pipeline.store.store import Store
from aidn_pipeline.testing.examples import example_signature, example_table
from aidn_pipeline.tracking.segment import SegmentWriter, read_segment
from aidn_pipeline.training.inference import read_description
from aidn_pipeline.training.tensorfile import read_tensors, tensor_blocks
from support.mutation import bytes_of, either, of_bytes, of_values, sound_text, value_of

Mutate = Callable[[random.Random], bytes]
INDEX = builtin_index()


@dataclass(frozen=True, slots=True)
class Reader:
    """One reader.

    Attributes:
        read: takes bytes and an empty folder; raises nothing but errors of ours.
        mutate: makes bytes.
    """

    read: Callable[[bytes, Path], object]
    mutate: Mutate


def journal_line(sequence: int, payload: Any) -> bytes:
    """A line with a right checksum, whatever it says."""
    body = sound_text(payload)
    head = f"{sequence} {len(body)}"
    total = blake3(head.encode() + b" " + body).hexdigest(8)
    return f"{head} {total} ".encode() + body + b"\n"


def journal(payloads: Any) -> bytes:
    """A journal with right checksums."""
    if not isinstance(payloads, list):
        payloads = [payloads]
    return b"".join(journal_line(n, p) for n, p in enumerate(payloads, start=1))


ID = "b3:" + "ab" * 32
RECORD = StageRecord(
    fingerprint=ID,
    family=ID,
    base=ID,
    component="stage/train",
    hashed={"component": "stage/train", "fields": {"use": "train"}, "inputs": {"dataset": ID}},
    extends={"trainer.epochs": 3},
    outputs={"metrics": Metrics(ID, 7), "file": File("b3:" + "cd" * 32, 9)},
    observed={"points": [{"digest": ID, "size": 3}], "seconds": 1.5, "run": "r1", "stage": "train"},
)
RUN = RunRecord(
    run="r1",
    recipe="digits",
    status="done",
    started=1.7e9,
    stages={"train": ID},
    facts={
        "order": ["train"],
        "overrides": ["seed=1"],
        "config": {"name": "digits", "stages": {"train": {"use": "train"}}},
        "error": {"type": "StageFailed", "problem": "p", "where": "w", "remedy": "r"},
        "seconds": 2.0,
        "actions": {"train": "run"},
        "environment": {},
        "notes": [],
    },
)
LINES = [
    {"kind": "stage", "key": ID, "value": RECORD.to_json()},
    {"kind": "run", "key": "r1", "value": RUN.to_json()},
    {
        "kind": "version",
        "key": "model/digits/1",
        "value": {
            "noun": "model",
            "name": "digits",
            "version": 1,
            "digest": ID,
            "facts": {"checkpoint": {"kind": "checkpoint", "digest": ID, "size": 1}},
        },
    },
    {"kind": "ref", "key": "pin/r1", "value": {"noun": "pin", "name": "r1", "target": "r1"}},
    {"kind": "gc", "key": "g", "value": {"verb": "remove", "stages": [ID], "at": 1.0}},
]
ENTRIES = [
    {
        "kind": "attempt",
        "number": 1,
        "fingerprint": ID,
        "run": "r",
        "pid": 1,
        "host": "h",
        "started": 1.0,
    },
    {"kind": "checkpoint", "number": 1, "info": {"epoch": 1}, "files": {"state": [ID, 3]}},
    {"kind": "retain", "keep": [1]},
    {"kind": "finish", "trial": 1},
]
HEADER = b'{"format":1,"hash":"b3"}\n'


def store_at(folder: Path, journal_bytes: bytes = b"", header: bytes = HEADER) -> Path:
    """A store that says this."""
    (folder / "journal").mkdir(parents=True, exist_ok=True)
    (folder / "format.json").write_bytes(header)
    (folder / "journal" / "000001.log").write_bytes(journal_bytes)
    return folder


def look_around(root: Path) -> None:
    """Everything that reads a store's records."""
    with Store.open(root, durability="process") as store:
        store.recover()
        for kind in ("run", "stage", "version", "ref", "gc"):
            list(store.records.iterate(kind))
        for run in store.records.iterate("run"):
            found = find_run(store, run["run"])
            stage_results(found, store)
            ended(found, store)
            error_recorded(found)
        store.records.get("run", "r1")
        store.records.stage(ID)
        store.records.stages_of_family(ID)
        store.records.stages_of_base(ID)
        check(store)
        Collector(store, budget=0, unfinished=True).plan()


def _journal(data: bytes, folder: Path) -> None:
    look_around(store_at(folder / "s", data))


def _work(data: bytes, folder: Path) -> None:
    root = store_at(folder / "s")
    place = root / "work" / "f00d"
    place.mkdir(parents=True)
    (place / "journal.log").write_bytes(data)
    with Store.open(root, durability="process") as store:
        work = store.work("f00d")
        for record in work.records():
            try:
                work.open(record)
            except StoreError:
                continue
        assert work.progress >= 0
        check(store)
        Collector(store, budget=0, unfinished=True).plan()
        store.recover()


def _header(data: bytes, folder: Path) -> None:
    with Store.open(store_at(folder / "s", header=data), durability="process"):
        pass


def _index(data: bytes, folder: Path) -> None:
    root = store_at(folder / "s", journal(LINES))
    (root / "index.sqlite").write_bytes(data)
    if data[:1] == b"\xd9":
        (root / "index.sqlite-journal").write_bytes(data)
    refuse_leading_out(root)
    with Store.open(root, durability="process") as store:
        found = store.records.get("run", "r1")
        assert found == RUN.to_json(), "the index was believed"
        assert len(list(store.records.iterate("stage"))) == 1


def _manifest(data: bytes, folder: Path) -> None:
    for name in parse_tree(data, StoreError("no folder", where="manifest")):
        place = (folder / name).resolve()
        assert place.is_relative_to(folder.resolve()), name


def _segment(data: bytes, folder: Path) -> None:
    (folder / "1.seg").write_bytes(data)
    read_segment(folder / "1.seg")


def _tensors(data: bytes, folder: Path) -> None:
    (folder / "state.safetensors").write_bytes(data)
    read_tensors(folder / "state.safetensors")


def _description(data: bytes, folder: Path) -> None:
    (folder / "checkpoint.json").write_bytes(data)
    read_description(folder / "checkpoint.json")


def _bundle(data: bytes, folder: Path) -> None:
    (folder / "model.json").write_bytes(data)
    (folder / WEIGHTS).write_bytes(BUNDLE_WEIGHTS)
    open_bundle({name: folder / name for name in ("model.json", WEIGHTS)}, INDEX)


def _weights(data: bytes, folder: Path) -> None:
    value = {**BUNDLE, "files": {WEIGHTS: {"digest": digest_bytes(data), "size": len(data)}}}
    (folder / "model.json").write_bytes(_signed(value))
    (folder / WEIGHTS).write_bytes(data)
    open_bundle({name: folder / name for name in ("model.json", WEIGHTS)}, INDEX)


def _dataset(data: bytes, folder: Path) -> None:
    (folder / "dataset.json").write_bytes(data)
    (folder / "table.parquet").write_bytes(PARQUET)
    view = DatasetView({name: folder / name for name in ("dataset.json", "table.parquet")})
    _ = view.name, view.signature, view.preprocess, view.splits
    view.table()


def _table(ending: str) -> Callable[[bytes, Path], None]:
    def read(data: bytes, folder: Path) -> None:
        (folder / f"t{ending}").write_bytes(data)
        found = TableSource(path=f"t{ending}", label="label", task="auto").read(folder)
        snapshot_files(found)

    return read


def _texts(data: bytes, folder: Path) -> None:
    (folder / "t.jsonl").write_bytes(data)
    snapshot_files(TextSource(path="t.jsonl").read(folder))


def _picture(data: bytes, folder: Path) -> None:
    image = Image(name="image", channels=3, height=4, width=4, resize="stretch")
    read_pixels(data, image, where="picture")


def _pictures(data: bytes, folder: Path) -> None:
    for name in ("a", "b"):
        (folder / "p" / name).mkdir(parents=True)
        (folder / "p" / name / "1.png").write_bytes(data)
    ImageFolderSource(path="p", size=(4, 4)).read(folder)


def _config(data: bytes, folder: Path) -> None:
    read_mapping(data.decode(errors="replace"), "recipe.yaml")


def _recipe(data: bytes, folder: Path) -> None:
    (folder / "recipes").mkdir()
    (folder / "recipes" / "mine.yaml").write_bytes(data)
    load_recipe("mine", (), find_project(folder), INDEX, {})


def _overrides(data: bytes, folder: Path) -> None:
    words = data.decode(errors="replace").split("\0")
    load_recipe("digits", words, find_project(folder), INDEX, {})


def _condition(data: bytes, folder: Path) -> None:
    decide(data.decode(errors="replace"), lambda name: 3, "here")


def _settings(data: bytes, folder: Path) -> None:
    (folder / "pyproject.toml").write_bytes(data)
    find_project(folder)


def _result(data: bytes, folder: Path) -> None:
    (folder / "result.json").write_bytes(data)
    AiModelResult.load(folder)


def _rows(data: bytes, folder: Path) -> None:
    for ending in (".json", ".jsonl", ".csv"):
        (folder / f"r{ending}").write_bytes(data)
        try:
            read_rows(str(folder / f"r{ending}"))
        except AidnError:
            continue


def _row(data: bytes, folder: Path) -> None:
    parse_row(data.decode(errors="replace"))


def _signed(value: Any) -> bytes:
    if not isinstance(value, dict):
        return sound_text(value)
    value.pop("digest", None)
    return sound_text({**value, "digest": digest_bytes(sound_text(value))})


def _saved(value: Any) -> bytes:
    if not isinstance(value, dict):
        return sound_text(value)
    return sound_text({**value, "digest": digest_of(value)})


def _model() -> tuple[dict[str, Any], bytes]:
    signature = example_signature()
    model = complete(INDEX, "model", {"use": "mlp", "hidden": 4, "layers": 1})
    net = build(INDEX, "model", model)(signature=signature).eval()
    rows = torch.ones(2, 4)
    description = {
        "model": model,
        "code": {"model/mlp": 1},
        "signature": signature.to_json(),
        "preprocess": [],
        "golden": {"rows": rows.tolist(), "outputs": net(rows).tolist()},
    }
    tensors = {f"model/{n}": t.detach() for n, t in net.named_parameters()}
    tensors |= {f"model/{n}": t for n, t in net.named_buffers()}
    weights = b"".join(bytes(block) for block in tensor_blocks(tensors))
    ref: Any = type("Ref", (), {"digest": digest_bytes(weights), "size": len(weights)})
    document = bundle_document(description, ref, {"name": "m", "version": 1})
    return json.loads(document), weights


BUNDLE, BUNDLE_WEIGHTS = _model()
TABLE = example_table().table
_FILES = snapshot_files(example_table())
PARQUET: bytes = _FILES["table.parquet"]  # type: ignore[assignment]
DATASET: Any = json.loads(_FILES["dataset.json"])  # type: ignore[arg-type]


def _csv() -> bytes:
    sink = io.BytesIO()
    arrow_csv.write_csv(TABLE, sink)
    return sink.getvalue()


def _plain_parquet() -> bytes:
    sink = io.BytesIO()
    pq.write_table(TABLE.append_column("t", pa.array(["x"] * len(TABLE))), sink)
    return sink.getvalue()


def _png(kind: str) -> bytes:
    sink = io.BytesIO()
    Pictures.new("RGB", (9, 7), "red").save(sink, kind)
    return sink.getvalue()


def _segment_seed(folder: Path) -> bytes:
    path = folder / "seed.seg"
    path.unlink(missing_ok=True)
    writer = SegmentWriter(path, attempt=1)
    writer.log({"loss": 1.0, "a rather long name of a metric point": 2.0}, 1)
    writer.close()
    return path.read_bytes()


def _resummed(data: bytes) -> bytes:
    out = bytearray(data)
    if len(out) >= 64:
        struct.pack_into("<I", out, 60, crc32(out[:60]))
    for at in range(64, len(out) - 31, 32):
        total = crc32(out[at + 8 : at + 32], crc32(out[at : at + 4]))
        struct.pack_into("<I", out, at + 4, total)
    return bytes(out)


def _of_tensors(dice: random.Random) -> bytes:
    size = int.from_bytes(BUNDLE_WEIGHTS[:8], "little")
    header = json.loads(BUNDLE_WEIGHTS[8 : 8 + size])
    header["__metadata__"] = {"a": "b"}
    for entry in list(header.values()):
        if dice.random() < 0.5 and "dtype" in entry:
            entry["dtype"] = dice.choice(["F4", "F8_E4M3", "BF16", "U64", "C64", "I8", "F32"])
    text = sound_text(value_of(dice, header))
    length = dice.choice([len(text), len(text), 0, 1, 2**31, 2**63, 2**64 - 1, 100_000_001])
    return length.to_bytes(8, "little") + text + BUNDLE_WEIGHTS[8 + size :]


HOSTILE_SQL = [
    (
        "CREATE VIEW fact AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) "
        "SELECT i AS id, 'r1' AS run, 1 AS recipe, i AS offset, i AS size FROM n"
    ),
    (
        "CREATE TABLE stage (id, family, base, offset, size); "
        "CREATE TRIGGER t AFTER INSERT ON stage BEGIN DELETE FROM stage; END"
    ),
    (
        "CREATE TABLE covered (one INTEGER PRIMARY KEY, offset INTEGER, sequence INTEGER); "
        "INSERT INTO covered VALUES (1, 9223372036854775807, 5)"
    ),
    "CREATE TABLE other (x); CREATE VIEW covered AS SELECT randomblob(900000000) AS offset",
    (
        "CREATE TABLE stage (id INTEGER, family INTEGER, offset INTEGER GENERATED ALWAYS AS "
        "(length(zeroblob(900000000))) VIRTUAL, size INTEGER)"
    ),
    "PRAGMA journal_mode=WAL; CREATE TABLE stage (a)",
]


def hostile_index(sql: str, folder: Path) -> bytes:
    """The bytes of a database with a schema of a stranger's."""
    path = folder / "hostile.sqlite"
    path.unlink(missing_ok=True)
    db = sqlite3.connect(path)
    db.executescript(sql)
    db.close()
    return path.read_bytes()


def _index_seeds(folder: Path) -> Iterator[bytes]:
    root = store_at(folder / "seed", journal(LINES))
    with Store.open(root, durability="process") as store:
        store.records.get("run", "r1")
    yield (root / "index.sqlite").read_bytes()
    shutil.rmtree(root)
    for sql in HOSTILE_SQL:
        yield hostile_index(sql, folder)


def _recipes() -> list[bytes]:
    folder = data_folder("recipes")
    return [path.read_bytes() for path in sorted(folder.glob("*.yaml"))]


def _poked(dice: random.Random) -> bytes:
    value = {
        "defaults": ["/digits", "_self_"],
        "seed": 1,
        "trainer": {"epochs": 2, "metrics": {"accuracy": {"use": "accuracy"}}},
        "stages": {
            "tune": {"num_trials": 3, "space": {"optimizer.lr": {"low": 1e-4, "high": 0.1}}},
            "train": {"matrix": {"trainer.seed": [1, 2]}, "when": "trainer.epochs > 1"},
            "evaluate": None,
        },
        "name": "${oc.select:x,${seed}}",
    }
    return sound_text(value_of(dice, value))


def readers(folder: Path) -> Mapping[str, Reader]:
    """All readers by name.

    Args:
        folder: where seeds may be made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    segment = _segment_seed(folder)
    rows = [b'[{"a": 1.5, "b": "x"}, [1, 2]]', b'{"a": 1}\n{"a": 2}\n', b"a,b\n1,2\n3,4\n"]
    manifest = ["tree", 1, [["a/b.txt", "f", 3, ID], ["c", "x", 0, ID]]]
    result = {
        "format": 1,
        "run": "r",
        "recipe": "r",
        "status": "done",
        "seconds": 1.0,
        "stages": {},
        "metrics": {},
        "model": {"name": "m", "version": 1, "digest": ID},
        "error": None,
        "provenance": {"experiment": "e", "started": 1.0, "overrides": [], "config": {}},
    }
    words = b"trainer.epochs=3\0model=cnn\0~stages.tune\0stages.train.matrix={trainer.seed: [1,2]}"
    toml = b'[tool.aidn]\npackages = ["a"]\n[tool.aidn.components]\n"model/x" = "m:N"\n'
    pictures = [_png(kind) for kind in ("PNG", "GIF", "BMP", "JPEG", "TIFF", "WEBP")]
    lines = [b'{"text": "a b", "label": "x", "n": 1}\n{"text": "c", "label": "y", "n": 2.5}\n' * 3]
    condition = b"trainer.epochs > 5 and not (model.use in ['mlp', 'cnn'] or x == -1e3)"
    return {
        "journal": Reader(
            _journal, either(of_bytes([journal(LINES)]), of_values([LINES], journal))
        ),
        "work journal": Reader(
            _work, either(of_bytes([journal(ENTRIES)]), of_values([ENTRIES], journal))
        ),
        "store header": Reader(_header, either(of_bytes([HEADER]), of_values([{"format": 1}]))),
        "index": Reader(_index, of_bytes(list(_index_seeds(folder)))),
        "manifest": Reader(
            _manifest, either(of_bytes([sound_text(manifest)]), of_values([manifest]))
        ),
        "segment": Reader(
            _segment,
            either(of_bytes([segment]), lambda dice: _resummed(bytes_of(dice, segment))),
        ),
        "tensors": Reader(_tensors, either(of_bytes([BUNDLE_WEIGHTS]), _of_tensors)),
        "checkpoint.json": Reader(
            _description, either(of_bytes([sound_text({"format": 1})]), of_values([{"format": 1}]))
        ),
        "model.json": Reader(
            _bundle, either(of_bytes([_signed(dict(BUNDLE))]), of_values([BUNDLE], _signed))
        ),
        "bundle weights": Reader(_weights, either(of_bytes([BUNDLE_WEIGHTS]), _of_tensors)),
        "dataset.json": Reader(
            _dataset, either(of_bytes([sound_text(DATASET)]), of_values([DATASET]))
        ),
        "csv": Reader(_table(".csv"), of_bytes([_csv(), rows[2]])),
        "jsonl": Reader(_table(".jsonl"), of_bytes(lines)),
        "texts": Reader(_texts, of_bytes(lines)),
        "parquet": Reader(_table(".parquet"), of_bytes([_plain_parquet(), PARQUET])),
        "picture": Reader(_picture, of_bytes(pictures)),
        "folder of pictures": Reader(_pictures, of_bytes(pictures)),
        "config text": Reader(_config, of_bytes(_recipes())),
        "recipe": Reader(_recipe, either(of_bytes(_recipes()), _poked)),
        "overrides": Reader(_overrides, of_bytes([words])),
        "condition": Reader(_condition, of_bytes([condition])),
        "pyproject.toml": Reader(_settings, of_bytes([toml])),
        "result.json": Reader(
            _result, either(of_bytes([_saved(dict(result))]), of_values([result], _saved))
        ),
        "rows": Reader(_rows, either(of_bytes(rows), of_values([[{"a": 1.5}, [1, 2]]]))),
        "row": Reader(_row, of_bytes([rows[0]])),
    }
