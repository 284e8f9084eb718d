"""Our training loop against bare torch loops: CPU time of a step, in interleaved rounds.

    python benchmarks/loop.py              # 5 rounds of 30 epochs
    python benchmarks/loop.py --rounds 9

Digits, MLP 64-128-10, batches of 32, AdamW with the same kernel everywhere, one thread. `ours` is
the whole inner loop: order, batches, losses kept, the wish to stop asked at each step.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from aidn_pipeline.core.component import Factory
from aidn_pipeline.core.signature import Signature
from aidn_pipeline.data.bundled_table import FOLDER
from aidn_pipeline.data.labels import targets
from aidn_pipeline.data.source import class_counts
from aidn_pipeline.data.sources.digits import DigitsSource
from aidn_pipeline.training.loop import Loop, Pace
from aidn_pipeline.training.losses import cross_entropy
from aidn_pipeline.training.models.mlp import MLP
from aidn_pipeline.training.order import Order
from aidn_pipeline.training.step import SupervisedStep

EPOCHS, BATCH, LR = 30, 32, 1e-3


class Never:
    """Nobody asks for an end."""

    stop_requested = False


def digits() -> tuple[Signature, Tensor, Tensor]:
    """The bundled digits, scaled to [0, 1], flat."""
    source = DigitsSource().read(FOLDER)
    table = source.table
    classes = tuple("0123456789")
    signature = Signature(
        task="multiclass",
        features=source.features,
        shape=(64,),
        label=source.label,
        classes=classes,
        counts=class_counts(table, source.label, source.task, classes),
    )
    columns = [
        torch.tensor(table[name].to_pylist(), dtype=torch.float32) for name in source.features
    ]
    labels = torch.from_numpy(targets(table[source.label], source.task, classes))
    return signature, torch.stack(columns, dim=1) / 16, labels


def network(signature: Signature) -> MLP:
    """A fresh MLP 64-128-10."""
    return MLP(signature, hidden=128)


def bare(signature: Signature, batches: Callable[[], object], *, fused: bool) -> None:
    """The loop that everybody writes."""
    model = network(signature)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LR, fused=fused)
    for _ in range(EPOCHS):
        for x, y in batches():  # type: ignore[attr-defined]
            optimizer.zero_grad(set_to_none=True)
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()


def ours(signature: Signature, x: Tensor, y: Tensor, *, fused: bool) -> None:
    """The same through `Loop` and `SupervisedStep`."""
    step = SupervisedStep(
        Factory("model", "mlp", MLP, {"hidden": 128}, ("signature",)),
        Factory("loss", "cross_entropy", cross_entropy, {}),
        None,
        0,
    )
    step.setup(signature, torch.device("cpu"))
    optimizer = torch.optim.AdamW(step.modules()["model"].parameters(), lr=LR, fused=fused)
    loop = Loop(
        step=step,
        optimizer=optimizer,
        advance=None,
        data=(x, y),
        order=Order(0, len(x)),
        pace=Pace(batch_size=BATCH),
        stop=Never(),
    )
    for _ in range(EPOCHS):
        for _over in loop.epoch():
            pass
        loop.end_epoch()


def main() -> None:
    """Prints the median CPU microseconds of a step, and the ratio to each bare loop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    signature, x, y = digits()
    loader = DataLoader(TensorDataset(x, y), batch_size=BATCH, shuffle=True)

    def indexed() -> object:
        order = torch.randperm(len(x))
        return ((x[part], y[part]) for part in order.split(BATCH))

    steps = EPOCHS * -(-len(x) // BATCH)
    for fused in (False, True):
        loops: dict[str, Callable[[], None]] = {
            "bare + DataLoader": lambda f=fused: bare(signature, lambda: loader, fused=f),
            "bare + index batches": lambda f=fused: bare(signature, indexed, fused=f),
            "ours": lambda f=fused: ours(signature, x, y, fused=f),
        }
        times: dict[str, list[float]] = {name: [] for name in loops}
        for name in list(loops) * (rounds + 1):
            started = time.process_time()
            loops[name]()
            times[name].append((time.process_time() - started) / steps * 1e6)
        # The first round warms up.
        medians = {name: statistics.median(found[1:]) for name, found in times.items()}
        ratios = {
            f"ours / {n}": round(medians["ours"] / m, 3) for n, m in medians.items() if n != "ours"
        }
        print(
            json.dumps(
                {"fused": fused, "us_per_step": {k: round(v) for k, v in medians.items()}, **ratios}
            )
        )


if __name__ == "__main__":
    main()
