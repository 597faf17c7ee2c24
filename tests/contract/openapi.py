"""The public interface as one file. `python -m tests.contract.openapi` writes it anew after a change that was meant."""

from __future__ import annotations

import json
from pathlib import Path

from service.app import create_app
from service.settings import Settings

SNAPSHOT = Path(__file__).with_name("openapi.json")


def current() -> str:
    """The OpenAPI document of the service as it is, in a stable order."""
    return json.dumps(create_app(Settings.load({})).openapi(), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    SNAPSHOT.write_text(current())
