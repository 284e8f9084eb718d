"""`python -m aidn_pipeline` is `aidn-run`."""

import sys

from aidn_pipeline.entry import main

if __name__ == "__main__":
    sys.exit(main())
