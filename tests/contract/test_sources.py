"""Every built-in source keeps its contract."""

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
