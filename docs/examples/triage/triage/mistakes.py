"""What the model gets wrong."""

import json

from aidn_pipeline import Dataset, Report, StageContext, component


@component("stage", "mistakes")
def mistakes(
    dataset: Dataset, predictions: Report, ctx: StageContext, *, split: str = "test", most: int = 20
) -> Report:
    """The wrong answers that the model was surest of, the surest first.

    Args:
        dataset: that was evaluated.
        predictions: of `evaluate`.
        ctx: of the run.
        split: that was evaluated.
        most: answers that are listed.
    """
    judged = json.loads(ctx.load(predictions).read_text())
    texts = ctx.load(dataset).table(split)["text"].to_pylist()
    rows = zip(texts, judged["targets"], judged["predicted"], judged["probabilities"], strict=True)
    wrong = [
        {"text": text, "target": target, "predicted": predicted, "probability": max(shares)}
        for text, target, predicted, shares in rows
        if target != predicted
    ]
    return ctx.save(Report, sorted(wrong, key=lambda w: -w["probability"])[:most])
