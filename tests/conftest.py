"""Of all tests: no answer is remembered in the user's cache, unless a test is about that."""

import os

os.environ["AIDN_MEMO"] = "0"
