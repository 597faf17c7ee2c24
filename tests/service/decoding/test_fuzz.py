"""A short run of the fuzzer, and proof that it sees what it is there to see. The long run is `make fuzz`."""

import random
import signal
import subprocess
import sys
import time

import pytest

from models.errors import StudyError, UnsuitableImageError
from tests.fuzz import __main__ as supervisor
from tests.fuzz import target
from tests.fuzz.mutation import elements, mutate, with_checksums
from tests.fuzz.seeds import seeds
from tests.fuzz.tally import GUIDED, Tally, keep

SECONDS = 20.0
SEEDS = seeds()
IN_COLOUR = {"palette"}


@pytest.mark.parametrize("name", SEEDS)
def test_a_seed_is_read_unless_it_is_in_colour(name):
    told = target.ask(SEEDS[name])
    assert isinstance(told, UnsuitableImageError) if name in IN_COLOUR else not isinstance(told, StudyError), told
    assert target.finding(SEEDS[name]) is None


def test_mutated_files_are_mostly_new_and_often_still_read():
    others = tuple(SEEDS.values())
    chances = [random.Random(number) for number in range(400)]  # noqa: S311  the same on every run
    made = [mutate(chance.choice(others), chance, others) for chance in chances]
    assert len(set(made)) > 350
    read = sum(not isinstance(target.ask(data), StudyError) for data in made)
    assert 40 < read < 300  # neither all refused at the door nor all untouched


def test_the_elements_of_a_file_are_found_to_its_end():
    data = SEEDS["window"]
    assert elements(data)[-1].end == len(data)
    assert any(data[place.start : place.start + 4] == b"\x28\x00\x50\x10" for place in elements(data))


def test_a_png_whose_bytes_were_changed_gets_right_checksums():
    data = SEEDS["png8"]
    assert with_checksums(data) == data
    assert with_checksums(data.replace(b"IDAT", b"IDAX")) != data.replace(b"IDAT", b"IDAX")


@pytest.mark.parametrize(("change", "what"), [
    (lambda _: 1 / 0, "ZeroDivisionError at test_fuzz.py"), (lambda _: time.sleep(0) or float("x"), "ValueError at test_fuzz.py"),
])  # fmt: skip
def test_any_other_error_is_a_finding(monkeypatch, change, what):
    monkeypatch.setattr(target, "read_study", lambda *_: change(_))
    assert what in (target.finding(b"x") or "")


def test_an_answer_that_changes_is_a_finding(monkeypatch):
    monkeypatch.setattr(target, "AGAIN", 1)
    answers = iter([{"image": target.np.zeros(3)}, {"image": target.np.ones(3)}])
    monkeypatch.setattr(target, "ask", lambda _: next(answers))
    assert target.finding(b"x") == "another answer to the same bytes"


def test_a_process_that_dies_or_hangs_is_a_finding_and_the_next_one_starts(monkeypatch, tmp_path):
    (tmp_path / "findings").mkdir()
    tally = Tally(tmp_path / "tally")
    tally.begin(b"\0" * 140 + b"1.2.840.10008.1.2.5")
    started = []

    class Child(subprocess.Popen):
        def __init__(self, command, **options):
            started.append(command)
            tally.count(read=1)
            super().__init__(
                [sys.executable, "-c", f"import os, time; os.kill(os.getpid(), {[11, 0][len(started) - 1]}); time.sleep(60)"], **options
            )

    monkeypatch.setattr(subprocess, "Popen", Child)
    monkeypatch.setattr(supervisor, "HANG_S", 0.5)
    monkeypatch.setattr(supervisor, "LOOK_S", 0.1)
    for _ in range(2):
        supervisor._one_process(tmp_path, tally, 1, 1, time.monotonic() + 30)
        tally.count(read=1)
    names = {path.name.rsplit("-", 1)[0] for path in (tmp_path / "findings").iterdir()}
    assert names == {f"{signal.Signals(11).name}_of_1_2_840_10008_1_2_5", "hang_of_1_2_840_10008_1_2_5"}


def test_one_input_of_each_kind_is_kept(tmp_path):
    for data in (b"one", b"two"):
        keep(tmp_path, "slow", data)
    keep(tmp_path, "slower", b"three")
    assert sorted(path.read_bytes() for path in tmp_path.iterdir()) == [b"one", b"three"]


def test_a_short_run_reads_many_inputs_and_finds_nothing(tmp_path):
    environment = supervisor._environment() | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "tests.fuzz", str(SECONDS), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    tally = Tally(tmp_path / "tally")
    assert tally.mutated > 2000, done.stdout
    assert f"{tally.read} inputs read" in done.stdout
    assert ("guided by coverage" in done.stdout) is GUIDED
