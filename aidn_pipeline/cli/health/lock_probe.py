"""The other process of the lock test: reads `[file, name]`, says whether the lock is free."""

import json
import sys
from pathlib import Path

from aidn_pipeline.store.locks import Locks

FREE, HELD = "free", "held"


def main() -> int:
    """Tries to take the lock, and lets it go again."""
    file, name = json.load(sys.stdin)
    locks = Locks(Path(file))
    taken = locks.acquire(name, wait=False)
    print(HELD if taken is None else FREE)
    if taken is not None:
        locks.release(taken)
    return 0


if __name__ == "__main__":
    sys.exit(main())
