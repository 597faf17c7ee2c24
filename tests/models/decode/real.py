"""Real files that stay outside the repository; tests of them skip where they are absent."""

import os
from pathlib import Path

import pytest

DATA = Path(os.environ.get("CHIASM_TEST_DATA", Path(__file__).parents[4] / "shared" / "data"))
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the folder of real test files (CHIASM_TEST_DATA) is not here")
