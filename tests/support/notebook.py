"""A notebook that is run as people run it: cell by cell in a kernel of its own."""

import os
import subprocess
import sys
from pathlib import Path

import nbformat

from support.source import ROOT

EXECUTE = """\
import sys, nbclient, nbformat
path = sys.argv[1]
notebook = nbformat.read(path, as_version=4)
nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
nbformat.write(notebook, path)
"""


def run_notebook(cells: list[str], folder: Path, **environment: str) -> list[str]:
    """What each cell printed, and what it showed.

    Args:
        cells: source of each.
        folder: the notebook's; the kernel works there.
        **environment: more of it.
    """
    path = folder / "notebook.ipynb"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    nbformat.write(notebook, path)
    done = subprocess.run(
        [sys.executable, "-c", EXECUTE, str(path)],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "IPYTHONDIR": str(folder / ".ipython"),
            "JUPYTER_RUNTIME_DIR": str(folder / ".jupyter"),
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [_shown(cell) for cell in nbformat.read(path, as_version=4).cells]


def _shown(cell: nbformat.NotebookNode) -> str:
    texts = []
    for output in cell.outputs:
        if output.output_type == "stream":
            texts.append(output.text)
        elif "data" in output:
            texts += [str(text) for text in output.data.values()]
    return "".join(texts)
