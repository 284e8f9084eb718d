"""The last step of a regression: from standardised outputs to the units of the targets."""

import torch
from torch import Tensor, nn

from aidn_pipeline.core.signature import Signature


class TargetUnits(nn.Module):
    """outputs * scale + center, both of the training targets.

    An optimiser moves weights by about its learning rate; without this a target far from 0 would
    take thousands of steps to reach.
    """

    def __init__(self, signature: Signature) -> None:
        """Takes center and scale from the signature; they are part of the model's state."""
        super().__init__()
        self.center: Tensor
        self.scale: Tensor
        self.register_buffer("center", torch.tensor(signature.target_center))
        self.register_buffer("scale", torch.tensor(signature.target_scale))

    def forward(self, outputs: Tensor) -> Tensor:
        """Values in the units of the targets, of the same shape."""
        return outputs * self.scale + self.center
