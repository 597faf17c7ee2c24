"""The README holds: its table is complete, its files exist, and its commands run as they stand."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from models import SPECS
from service.settings import Settings
from tests.contract.conftest import clean_environment

ADDRESS = "http://127.0.0.1:8000"
ROW = re.compile(r"^\| `(CHIASM_\w+)` \| (?:`(.*?)`)? ?\| .+ \|$", re.MULTILINE)


def shell_lines(readme: str) -> list[str]:
    """Every line of every ```sh block, without its comment."""
    blocks = re.findall(r"^```sh\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)
    return [line.split("  #")[0].strip() for block in blocks for line in block.splitlines() if line.strip()]


def command(readme: str, *words: str) -> str:
    """The first command of the README that has all these words."""
    return next(line for line in shell_lines(readme) if all(word in line for word in words))


def shell(root: Path, line: str) -> bytes:
    done = subprocess.run(["bash", "-euc", line], cwd=root, env=clean_environment(), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def as_text(default: object) -> str:
    """A default as a person would write it into the environment."""
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, tuple | dict):
        return ",".join(default)
    return f"{default:g}" if isinstance(default, float) else str(default)


def alike(one: Any, other: Any) -> bool:
    """The same JSON, numbers compared to a thousandth: another processor may round differently."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(alike(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(alike, one, other))
    return one == (pytest.approx(other, rel=1e-3) if isinstance(other, float) else other)


def test_every_setting_is_in_the_table_with_its_default(readme: str) -> None:
    declared = {f"CHIASM_{name.upper()}": as_text(field.default) for name, field in Settings.model_fields.items()}
    assert dict(ROW.findall(readme)) == declared


def test_every_folder_in_the_tree_exists_and_none_is_missing(root: Path, readme: str, tree: list[Path]) -> None:
    named = set(re.findall(r"^(\w+)/ {2,}\S", readme, re.MULTILINE))
    there = {path.relative_to(root).parts[0] for path in tree if len(path.relative_to(root).parts) > 1}
    assert named == {folder for folder in there if not folder.startswith(".")}


def test_every_link_leads_somewhere(root: Path, readme: str) -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", readme) if "://" not in link]
    assert links
    assert [link for link in links if not (root / link).exists()] == []


def test_every_make_target_it_names_exists(root: Path, readme: str) -> None:
    named = {line.split()[1] for line in shell_lines(readme) if line.startswith("make ")}
    assert named
    assert named <= set(re.findall(r"^([a-z]+):.*##", (root / "Makefile").read_text(), re.MULTILINE))


@pytest.mark.slow
def test_its_request_gets_its_answer(root: Path, readme: str, running: str) -> None:
    answer = json.loads(shell(root, command(readme, "curl", "metadata=@").replace(ADDRESS, running)))
    shown = re.search(r"<!-- answer -->\n```json\n(.*?)```\n<!-- /answer -->", readme, re.DOTALL)
    assert shown
    printed = json.loads(shown[1])
    assert printed.keys() == answer.keys()
    for name in ("model", "measurements", "findings"):
        assert alike(printed[name], answer[name]), f"{name}: copy the real answer into the README"


@pytest.mark.slow
def test_every_request_that_asks_for_json_is_answered(readme: str, root: Path, running: str) -> None:
    requests = [line for line in shell_lines(readme) if "curl" in line and "/predict/" in line and " -o " not in line]
    assert {line.split("/predict/")[1].strip('"').split("?")[0] for line in requests} == set(SPECS)
    assert all(json.loads(shell(root, line.replace(ADDRESS, running)))["findings"] for line in requests)


@pytest.mark.slow
def test_its_picture_is_a_picture(root: Path, readme: str, running: str, tmp_path: Path) -> None:
    picture = tmp_path / "attention.png"
    shell(root, command(readme, "curl", "image/png").replace(ADDRESS, running).replace("attention.png", str(picture)))
    assert picture.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


@pytest.mark.slow
def test_its_report_is_a_bundle(root: Path, readme: str, running: str, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    shell(root, command(readme, "curl", "fhir+json").replace(ADDRESS, running).replace("report.json", str(report)))
    assert json.loads(report.read_text())["resourceType"] == "Bundle"


@pytest.mark.slow
def test_its_command_line_gives_the_same_numbers_as_its_request(root: Path, readme: str, running: str) -> None:
    served = json.loads(shell(root, command(readme, "curl", "metadata=@").replace(ADDRESS, running)))
    printed = json.loads(shell(root, command(readme, "service predict")))
    for name in ("model", "measurements", "findings", "attention", "inputs"):
        assert printed[name] == served[name]


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["synth", "fit"])
def test_its_training_commands_name_options_that_exist(root: Path, readme: str, verb: str) -> None:
    line = command(readme, "training", verb)
    known = shell(root, re.sub(rf"^\S+ -m training {verb} .*", f".venv/test/bin/python -m training {verb} --help", line)).decode()
    assert [option for option in re.findall(r"--\w[\w-]*", line) if option not in known] == []
