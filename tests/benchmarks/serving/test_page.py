"""What is made and what is told: full-size networks as the export makes them, and the page from records."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch", reason="torch is not installed")

from benchmarks.serving.networks import example, full_size
from benchmarks.serving.page import page, places, plot
from benchmarks.serving.results import Results
from benchmarks.serving.studies import Sent, studies
from models.golden import Golden
from service.app import open_artifacts
from service.settings import Settings
from tests.benchmarks.serving.test_figures import SETTINGS, phase, whole

ABOUT = {"rounds": 2, "callers": 2, "seconds": 1.0, "cpu": "a processor", "cores": 2, "onnxruntime": "1", "peers": {"mosec": "0.9"}}


@pytest.mark.filterwarnings("ignore")  # the exporter's own
def test_a_network_with_random_weights_is_served_as_any_artifact_is_and_made_only_once(tmp_path: Path) -> None:
    folder = full_size("bmd", tmp_path, name="reference")
    artifact = next(open_artifacts(Settings(artifacts=folder.parent, models=("bmd",))))
    golden = Golden.load(folder / "golden.npz")
    assert golden.study == example("bmd")
    assert 0.2 < golden.outputs["bmd"].item() < 2.0
    made = artifact.graph.stat().st_mtime_ns
    assert full_size("bmd", tmp_path, name="reference") == folder
    assert artifact.graph.stat().st_mtime_ns == made
    sent = studies("bmd", ["small PNG"], folder, tmp_path / "studies")[0]
    assert sent.ours == (float(str(np.float32(sent.expected[0]))),)
    assert Image.open(sent.image).size == (224, 224)
    assert sent.image.read_bytes() in sent.body.read_bytes()


@pytest.fixture
def results(tmp_path: Path) -> Results:
    results = Results(tmp_path / "results.jsonl", SETTINGS)
    of = {"model": "bmd", "payload": "small PNG", "of": "x"}
    shared = {"busy_s": 0.1, "steal_s": 0.0, "wall_s": 1.0, "callers_cpu_s": 0.05, "bad": []}
    for server, per_cpu in (("chiasm", 0.04), ("mosec", 0.05)):
        for number in range(2):
            for record in whole(number, server=server, cpu_s=per_cpu, right=True, **shared):
                results.add(record)
    results.add({**of, "server": "all", "round": 0, "phase": "rate", "rate": 7.0})
    return results


def test_the_page_says_what_was_measured_who_is_absent_and_that_all_answers_were_right(results: Results, tmp_path: Path) -> None:
    found = list(places(results, [sent()], callers=2))
    text = page(results, found, ABOUT, {"bentoml": "No module named bentoml"})
    assert "| mosec | 25.0 | 0.80 (0.80-0.80) |" in text
    assert "BentoML is absent: No module named bentoml" in text
    assert "ONNX Runtime 1; mosec 0.9." in text
    assert "24 were compared: all are right." in text
    assert "quiet machine" not in text
    plot(found, tmp_path / "plot.png")
    with Image.open(tmp_path / "plot.png") as drawn:
        assert min(drawn.size) > 200


def test_the_page_owns_up_to_wrong_answers_refusals_and_a_loud_machine(results: Results) -> None:
    loud = {"busy_s": 2.0, "steal_s": 0.5, "wall_s": 1.0, "callers_cpu_s": 0.0, "right": False, "bad": ["429 too many"]}
    results.add(phase("closed", 2, server="mosec") | loud)
    text = page(results, list(places(results, [sent()], callers=2)), ABOUT, {})
    assert "**wrong ones came from mosec**" in text
    assert "mosec did not always answer: 429 too many" in text
    assert "measure again on a quiet machine" in text


def sent() -> Sent:
    return Sent("bmd", "small PNG", Path(), Path(), "", (), (), "x")
