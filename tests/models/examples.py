"""The repository's example study, as bytes."""

import json
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "examples" / "bmd"
EXAMPLE = (FOLDER / "image.dcm").read_bytes()
EXAMPLE_PNG = (FOLDER / "image.png").read_bytes()
EXAMPLE_METADATA = json.loads((FOLDER / "metadata.json").read_text())
