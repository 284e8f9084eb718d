"""A project whose model raises in `forward` in its second epoch."""

from pathlib import Path

FILES = {
    "pyproject.toml": '[tool.aidn]\npackages = ["nets"]\n',
    "nets/__init__.py": "",
    "nets/broken.py": '''\
"""A network with a fault."""

from torch import Tensor, nn

from aidn_pipeline import component
from aidn_pipeline.core.signature import Signature


@component("model", "broken_net")
class BrokenNet(nn.Module):
    """Raises in the second epoch."""

    def __init__(self, signature: Signature, *, batches: int = 12) -> None:
        super().__init__()
        self.calls = 0
        self.batches = batches
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(len(signature.features), 10))

    def forward(self, x: Tensor) -> Tensor:
        """Logits, until it breaks."""
        self.calls += self.training
        return self.checked(self.body(x))

    def checked(self, logits: Tensor) -> Tensor:
        """The logits."""
        secret = 40 + 2
        if self.calls > self.batches:
            raise ValueError("the network broke")
        return logits
''',
}
COMMAND = ("recipe=digits_train", "model=broken_net", "~stages.register.gate")


def written(folder: Path) -> Path:
    """Writes the project."""
    for name, text in FILES.items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    return folder
