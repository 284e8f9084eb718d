"""Whether the quantile is kept in every district."""

import json
from collections import defaultdict

from aidn_pipeline import Dataset, Report, StageContext, component


@component("stage", "by_district")
def by_district(
    dataset: Dataset, predictions: Report, ctx: StageContext, *, split: str = "test"
) -> Report:
    """Rows and coverage of each district, on the rows that `evaluate` judged.

    Args:
        dataset: that was evaluated.
        predictions: of `evaluate`.
        ctx: of the run.
        split: that was evaluated.
    """
    districts = ctx.load(dataset).table(split)["district"].to_pylist()
    judged = json.loads(ctx.load(predictions).read_text())
    below = defaultdict(list)
    for district, (target,), (output,) in zip(
        districts, judged["targets"], judged["predicted"], strict=True
    ):
        below[district].append(target <= output)
    found = {d: {"rows": len(b), "coverage": sum(b) / len(b)} for d, b in sorted(below.items())}
    return ctx.save(Report, {"split": split, "districts": found})
