"""Everything the service ships is permissively licensed."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

COPYLEFT = re.compile(r"\b(?:A|L)?GPL|GNU (?:Affero|Lesser|General)|Mozilla|\bMPL", re.IGNORECASE)
# distribution -> why it may be shipped all the same
ALLOWED = {"certifi": "MPL-2.0: a list of certificate authorities that httpx reads, not code that ours is linked with"}
READ = """
import importlib.metadata as metadata, json
print(json.dumps([
    {"name": each.metadata["Name"], "expression": each.metadata.get("License-Expression"), "license": each.metadata.get("License"),
     "classifiers": [c for c in each.metadata.get_all("Classifier") or [] if c.startswith("License")],
     "files": [str(f) for f in each.files or [] if "licen" in str(f).lower() and "dist-info" in str(f)]}
    for each in metadata.distributions()]))
"""


@pytest.fixture(scope="module")
def shipped(serve_python: Path) -> list[dict[str, Any]]:
    done = subprocess.run([str(serve_python), "-c", READ], capture_output=True, text=True, check=True)
    return [each for each in json.loads(done.stdout) if each["name"] not in {"pip", "setuptools"}]  # the venv's own, not in the image


def stated(distribution: dict) -> str:
    """The licence as its authors state it: one expression, or the classifiers, or the first line of the old free-text field."""
    free = (distribution["license"] or "").strip().splitlines()[:1]
    return distribution["expression"] or " ".join([*distribution["classifiers"], *free])


def test_no_copyleft_is_shipped(shipped: list[dict[str, Any]]) -> None:
    assert len(shipped) > 20
    found = {each["name"]: stated(each) for each in shipped if COPYLEFT.search(stated(each))}
    assert {name: licence for name, licence in found.items() if name not in ALLOWED} == {}


def test_everything_shipped_says_what_its_licence_is(shipped: list[dict[str, Any]]) -> None:
    assert [each["name"] for each in shipped if not stated(each) and not each["files"]] == []


def test_the_allowance_names_only_what_is_shipped(shipped: list[dict[str, Any]]) -> None:
    assert ALLOWED.keys() <= {each["name"] for each in shipped}


def test_the_project_carries_its_own_licence(root: Path) -> None:
    assert "Apache License" in (root / "LICENSE").read_text()
    assert 'license = "Apache-2.0"' in (root / "pyproject.toml").read_text()
