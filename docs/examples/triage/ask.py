"""Asks the newest bundle: python ask.py TEXT ..."""

import sys
from pathlib import Path

from aidn_pipeline import Servable

newest = max(Path("bundles/triage").iterdir(), key=lambda folder: int(folder.name))
model = Servable.load(newest)
for text, answer in zip(sys.argv[1:], model.predict(sys.argv[1:]), strict=True):
    print(f"{answer['label']:10} {answer['probabilities'][answer['label']]:.2f}  {text}")
