"""Made-up customers of a phone company: a table to begin with, as untidy as real ones are."""

import csv
import io
import math
import random
from datetime import date, timedelta

LABEL = "churned"
HEADER = ("customer", "since", "plan", "region", "age", "calls", "spend", "paperless", LABEL)
PLANS = ("basic", "plus", "pro")
REGIONS = ("north", "east", "south", "west")
OPENED = date(2021, 1, 1)


def sample_csv(count: int = 800, seed: int = 1) -> bytes:
    """A CSV file of customers, some of whom left; the same bytes for the same arguments.

    Values are missing here and there, as in files that people filled in.
    """
    rng = random.Random(seed)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(HEADER)
    for number in range(1, count + 1):
        writer.writerow(_customer(f"c{number:05d}", rng))
    return out.getvalue().encode()


def _customer(name: str, rng: random.Random) -> list[str]:
    days, age, calls = rng.randrange(1500), rng.randint(18, 85), rng.randrange(10)
    plan, region = rng.choice(PLANS), rng.choice(REGIONS)
    spend = rng.uniform(5, 95)
    risk = 0.9 * calls - 0.004 * (1500 - days) - 0.03 * spend + 2.0 * (plan == "basic") - 1.5
    left = rng.random() < 1 / (1 + math.exp(-risk))
    cells = [
        name,
        (OPENED + timedelta(days=days)).isoformat(),
        plan,
        region,
        str(age),
        str(calls),
        f"{spend:.2f}",
        rng.choice(("yes", "no")),
    ]
    for position, share in ((4, 0.1), (2, 0.04), (6, 0.02)):
        if rng.random() < share:
            cells[position] = ""
    return [*cells, "yes" if left else "no"]
