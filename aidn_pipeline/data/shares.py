"""Shares of the rows that the parts of a data set get. Standard library only."""

import math
from collections.abc import Mapping

from aidn_pipeline.errors import WrongType


def check_shares(shares: Mapping[str, float], *, where: str = "") -> None:
    """Checks that shares are shares, and that something is left to train on.

    Args:
        shares: by split, `train` among them.
        where: the config path above them, for messages.

    Raises:
        WrongType: if one is below 0, that of `train` is 0, or they do not add up to 1.
    """
    total = math.fsum(shares.values())
    if min(shares.values()) < 0 or shares["train"] <= 0 or abs(total - 1.0) > 1e-9:
        raise WrongType(
            f"the shares {', '.join(f'{k} {v:g}' for k, v in shares.items())} add up to "
            f"{total:g}; they must be at least 0, that of train above 0, and add up to 1",
            where=where,
            remedy="write such as `train: 0.7, validation: 0.15, test: 0.15`",
        )


def check_fold(fold: int | None, folds: int, *, where: str = "fold") -> None:
    """Checks that there is such a fold.

    Args:
        fold: counted from 0; None for none.
        folds: how many there are.
        where: the config path, for messages.

    Raises:
        WrongType: if there is not.
    """
    if fold is not None and fold >= folds:
        raise WrongType(
            f"there is no fold {fold} of {folds}",
            where=where,
            remedy=f"write 0 to {folds - 1}; as a matrix, `fold: {{range: {folds}}}`",
        )
