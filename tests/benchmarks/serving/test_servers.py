"""Servers are started, checked, frozen and stopped; one that cannot be is absent, with the reason, and the rest goes on."""

import json
import sys
from dataclasses import replace

import pytest

from benchmarks.serving import processes
from benchmarks.serving.answers import answer_of
from benchmarks.serving.servers import KINDS, Kind, running
from benchmarks.serving.studies import studies
from tests.contract.conftest import ROOT

HERE = Kind("FastAPI", (sys.executable, "-m", "benchmarks.peers.plain"))


@pytest.fixture(scope="module")
def sent(tmp_path_factory):
    return studies("bmd", ["small PNG"], ROOT / "artifacts" / "bmd", tmp_path_factory.mktemp("studies"))[0]


def started(monkeypatch, kinds, sent, logs):
    for name, kind in kinds.items():
        monkeypatch.setitem(KINDS, name, kind)
    return running(list(kinds), "bmd", ROOT / "artifacts", sent, logs)


def test_a_server_stands_still_until_its_turn_and_is_gone_afterwards(monkeypatch, sent, tmp_path):
    gone = Kind("LitServe", (sys.executable, "-c", "import there_is_no_such_module"))
    with started(monkeypatch, {"litserve": gone, "plain": HERE}, sent, tmp_path) as (servers, absent):
        assert absent == {"litserve": "it ended: ModuleNotFoundError: No module named 'there_is_no_such_module'"}
        plain = servers["plain"]
        assert {processes.stat(pid)[0] for pid in processes.tree(plain.pid)} == {"T"}
        plain.thaw()
        found = answer_of(plain.post(sent)[1])
        assert plain.right(sent, found)
        assert not plain.right(sent, (found[0] + 1e-4,))
    assert processes.ended(plain.pid, 0)


def test_a_server_that_answers_otherwise_is_not_measured(monkeypatch, sent, tmp_path):
    other = replace(sent, expected=(sent.expected[0] + 0.1,))
    with started(monkeypatch, {"plain": HERE}, other, tmp_path) as (servers, absent):
        assert servers == {}
        assert absent["plain"].startswith("it answers (")


def test_the_service_is_held_to_the_last_bit(sent):
    said = json.dumps({"measurements": [{"value": sent.ours[0]}], "findings": []}).encode()
    assert answer_of(said) == sent.ours
    assert answer_of(json.dumps({"measurements": [], "findings": [{"probability": 0.25}, {"probability": 0.75}]}).encode()) == (0.25, 0.75)
