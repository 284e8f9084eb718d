"""Every built-in source keeps its contract."""

import atexit
import json
import shutil
import tempfile
from functools import cache
from pathlib import Path

from support import pictures

from aidn_pipeline.data.table import identity, parquet_bytes
from aidn_pipeline.testing.examples import example_table
from aidn_pipeline.testing.source import SourceSuite


class TestDigits(SourceSuite):
    make = staticmethod(lambda: {"use": "digits"})
    rows = 1797


class TestDiabetes(SourceSuite):
    make = staticmethod(lambda: {"use": "diabetes"})
    rows = 442


class TestTable(SourceSuite):
    make = staticmethod(lambda: {"use": "table", "path": "rows.csv"})
    rows = 30

    def project(self, folder):
        rows = "".join(f"{i / 10},{i * i},{i % 3}\n" for i in range(30))
        (folder / "rows.csv").write_text(f"x,y,label\n{rows}")


class TestBreastCancer(SourceSuite):
    make = staticmethod(lambda: {"use": "breast_cancer"})
    rows = 569


class TestWine(SourceSuite):
    make = staticmethod(lambda: {"use": "wine"})
    rows = 178


class TestTickets(SourceSuite):
    make = staticmethod(lambda: {"use": "tickets", "rows": 40})
    rows = 40


class TestText(SourceSuite):
    make = staticmethod(lambda: {"use": "text", "path": "texts.jsonl"})
    rows = 30

    def project(self, folder):
        rows = [json.dumps({"text": f"number {i}", "label": i % 3}) for i in range(30)]
        (folder / "texts.jsonl").write_text("\n".join(rows))


class TestImageFolder(SourceSuite):
    make = staticmethod(lambda: {"use": "image_folder", "path": "photos"})
    rows = 30

    def project(self, folder):
        pictures.digits(folder / "photos", 30)


@cache
def handed_over():
    folder = Path(tempfile.mkdtemp(prefix="aidn-memory-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    table = example_table().table
    (folder / "rows.parquet").write_bytes(parquet_bytes(table))
    return {"content": identity(table), "file": str(folder / "rows.parquet")}


class TestMemory(SourceSuite):
    make = staticmethod(lambda: {"use": "memory", **handed_over()})
    rows = 48
