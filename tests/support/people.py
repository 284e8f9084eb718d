"""A table as people have it: numbers with gaps, categories, dates, truth values, a row id."""

import csv
import random
from datetime import date, timedelta
from pathlib import Path

HEADER = ("customer", "age", "plan", "region", "since", "paperless", "spent", "churned")


def rows(count: int = 600, seed: int = 3) -> list[tuple[str, ...]]:
    """Rows of text, as a CSV file has them; empty where a value is missing."""
    rng = random.Random(seed)
    found = []
    for i in range(count):
        age, plan = rng.randint(18, 90), rng.choice(["01", "02", "basic", "pro"])
        region = rng.choice(["north", "south", "east, far", "west"])
        since = date(2015, 1, 1) + timedelta(days=rng.randint(0, 3000))
        spent = round(rng.lognormvariate(3, 1), 2)
        score = (plan == "basic") * 2.0 + (age < 35) * 1.5 - (since.year < 2018) * 1.5
        churned = "yes" if rng.random() < 1 / (1 + 2.718281828 ** (1 - score)) else "no"
        found.append(
            (
                f"c{i:05d}",
                "" if rng.random() < 0.1 else str(age),
                "" if rng.random() < 0.05 else plan,
                region,
                "" if rng.random() < 0.05 else since.isoformat(),
                rng.choice(["true", "false"]),
                str(spent),
                churned,
            )
        )
    return found


def write(path: Path, table: list[tuple[str, ...]]) -> Path:
    """Writes a CSV file with a header line."""
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([HEADER, *table])
    return path
