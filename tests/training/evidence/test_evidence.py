"""Verdicts follow their rule, pages follow the stored results, and the pages in the repository follow from them too."""

import json
import shutil
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from models import SPECS  # noqa: E402  after the check for torch
from tests.contract.conftest import ROOT  # noqa: E402
from training.__main__ import main  # noqa: E402
from training.ablation import study  # noqa: E402
from training.evidence import write  # noqa: E402
from training.evidence.verdicts import BORNE_OUT, CONTRADICTED, NOT_SHOWN, findings, verdict  # noqa: E402

EVIDENCE = ROOT / "docs" / "evidence"
STORED = [model for model in SPECS if (EVIDENCE / "results" / f"{model}.json").exists()]
ANSWER = {"chosen": {"learning rate x 1": 2}, "seeds": {}, "mean": {}, "hidden": {}}


def stored(differences):
    """A small result: who is compared with whom, and the interval that was found."""
    names = dict.fromkeys(name for one, other, _ in differences for name in (one, other))
    metrics = list(study("bmd").metrics)
    answer = ANSWER | {"mean": {metric: [0.5, 0.4, 0.6] for metric in metrics} | {"MAE": None}}
    return {
        "model": "bmd", "phantoms": True, "protocol": "repeated", "size": "small", "rows": 60, "patients": 60, "train": 40, "validation": 6,
        "held_out": 14, "splits": 1, "epochs": 3, "batch_size": 16, "trials": 2, "network": {"half": True}, "seeds": [0, 1],
        "code": "sha256:0", "command": "python -m training ablate bmd", "wall_s": 60, "metrics": metrics,
        "variants": dict.fromkeys(names, answer),
        "differences": [
            {"one": one, "other": other, "metric": "R2", "hidden": 0.0, "difference": triple, "seeds": [0.1, 0.2]}
            for one, other, triple in differences
        ],
    }  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "results").mkdir()
    result = stored(
        [
            ("xattn", "concatenation", [0.1, 0.05, 0.15]), ("xattn", "mse", [0.1, -0.05, 0.15]), ("xattn", "mae", [-0.1, -0.2, -0.05]),
            ("xattn", "boosting", [-0.1, -0.2, -0.05]), ("xattn", "linear", None),
        ]
    )  # fmt: skip
    (tmp_path / "results" / "bmd.json").write_text(json.dumps(result))
    return tmp_path


@pytest.mark.parametrize(
    ("low", "high", "expected"), [(0.01, 0.2, BORNE_OUT), (-0.1, 0.2, NOT_SHOWN), (0.0, 0.2, NOT_SHOWN), (-0.2, -0.01, CONTRADICTED)]
)
def test_the_rule_is_where_the_interval_lies(low, high, expected):
    assert verdict(low, high) == expected


@pytest.mark.parametrize(("low", "high"), [(float("nan"), 1.0), (0.2, 0.1)])
def test_there_is_no_verdict_without_an_interval(low, high):
    with pytest.raises(ValueError, match="no interval"):
        verdict(low, high)


def test_pages_tell_each_verdict_with_its_interval_and_the_published_figure(folder):
    assert main(["evidence", "--out", str(folder)]) == 0
    page = (folder / "bmd.md").read_text()
    lines = {line.split("|")[3].strip(): line for line in page.splitlines() if line.startswith("| ") and " less " in line.split("|")[3]}
    assert "**borne out on phantoms**" in lines["xattn less concatenation, R2"]
    assert "+0.100 (+0.050 to +0.150)" in lines["xattn less concatenation, R2"]
    assert "R2 +16.4 %" in lines["xattn less concatenation, R2"]
    assert "**not shown**" in lines["xattn less mse, R2"]
    assert "**contradicted on phantoms**" in lines["xattn less mae, R2"]
    assert "| xattn less boosting, R2 | -0.100 (-0.200 to -0.050) | the other way round on phantoms |" in page
    assert "linear" not in page.split("## Every variant")[0]  # it could not be estimated: no verdict
    assert page.count("**cannot be tested here**") == len(study("bmd").untestable)
    assert "They say nothing about patients" in " ".join(page.split())
    assert (folder / "plots" / "bmd-differences.png").read_bytes().startswith(b"\x89PNG")


def test_the_index_counts_and_names_what_is_not_measured_yet(folder):
    write(folder)
    index = (folder / "index.md").read_text()
    assert "| [bmd](bmd.md) | 1 | 1 | 1 | 2 |" in index
    assert "Not measured yet: breast, chest, alzheimer." in index


def test_a_cohort_of_patients_is_not_called_phantoms(folder):
    path = folder / "results" / "bmd.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"phantoms": False}))
    write(folder)
    page = (folder / "bmd.md").read_text()
    assert "**borne out on this cohort**" in page
    assert "borne out on phantoms" not in page


def test_without_results_it_says_what_to_run(tmp_path, capsys):
    assert main(["evidence", "--out", str(tmp_path)]) == 1
    assert "training ablate MODEL" in capsys.readouterr().err


def test_the_pages_in_the_repository_are_what_the_command_writes(tmp_path):
    if not STORED:
        pytest.skip("no result is stored yet")
    shutil.copytree(EVIDENCE / "results", tmp_path / "results")
    written = [path.relative_to(tmp_path) for path in write(tmp_path)]
    pages = [path for path in written if path.suffix == ".md"]
    assert {path: (EVIDENCE / path).read_text() for path in pages} == {path: (tmp_path / path).read_text() for path in pages}
    there = {path.relative_to(EVIDENCE) for path in EVIDENCE.rglob("*") if path.suffix in {".md", ".png"}}
    assert there == {*written, Path("real.md")}  # which another command writes


@pytest.mark.parametrize("model", STORED)
def test_every_comparison_of_a_stored_result_has_an_interval_and_a_verdict(model):
    result = json.loads((EVIDENCE / "results" / f"{model}.json").read_text())
    found = findings(study(model), result)
    there = set(result["variants"])
    assert len(found) == sum({each.one, each.other} <= there for each in study(model).comparisons)
    for each in found:
        assert each.low <= each.difference <= each.high
        assert each.verdict
    assert "/" not in result["command"]
