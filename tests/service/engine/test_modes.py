"""A mode that gives other bits is not used, nor one that does not pay; and what is measured is kept for this machine only."""

from __future__ import annotations

import asyncio
import json
import random
import threading
import time

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from service.engine.batch import Tensors
from service.engine.modes import Finder, Modes, compare, pays
from service.engine.runtime import Runtime
from service.engine.scheduler import Scheduler
from service.engine.timing import Timed, measure, processor
from service.waiting.urgency import Priority, Urgency

STUDY = {"x": np.linspace(0, 1, 8, dtype=np.float32).reshape(1, 2, 4), "table": np.float32([1, 0, 1])}
SHORTER = {1: 20.0, 2: 11.0}


def exact(tensors: Tensors) -> Tensors:
    return {"y": tensors["x"] * np.float32(1.1)}


def by_batch(tensors: Tensors) -> Tensors:
    """The last bit depends on how many are in the batch."""
    return {"y": exact(tensors)["y"] + np.float32(1e-6) * (len(tensors["x"]) > 1)}


def last_bit(tensors: Tensors) -> Tensors:
    return {"y": np.nextafter(exact(tensors)["y"], np.float32(9))}


class Disturbed:
    """Answers otherwise while another run is going on."""

    def __init__(self) -> None:
        self._going = 0
        self._lock = threading.Lock()

    def __call__(self, tensors: Tensors) -> Tensors:
        with self._lock:
            self._going += 1
            going = self._going
        time.sleep(0.005)
        with self._lock:
            self._going -= 1
        return last_bit(tensors) if going > 1 else exact(tensors)


def find(narrow, wide=None, *, batch=4, alone_ms=SHORTER, held=True) -> Modes:
    opens = (lambda: wide) if wide else None
    return Finder(narrow, opens, 2, batch, exact=held, time_runs=lambda *_: alone_ms)(STUDY)


def test_a_network_that_gives_the_same_bits_in_every_mode_may_run_in_each():
    modes = find(exact, exact)
    assert (modes.wide, modes.max_batch_size, modes.threads, modes.one_at_a_time) == (exact, 4, 2, False)
    assert modes.bit_identical == dict.fromkeys(("again", "concurrent", "batch", "wide"), True)
    assert modes.other_bits == ()


@pytest.mark.parametrize(
    ("narrow", "wide", "other", "size", "threads", "alone"),
    [
        (by_batch, exact, ("batch",), 1, 2, False), (exact, last_bit, ("wide",), 4, 1, False),
        (Disturbed(), None, ("concurrent",), 4, 1, True), (by_batch, last_bit, ("batch", "wide"), 1, 1, False),
    ],
)
def test_a_mode_that_gives_other_bits_is_left(narrow, wide, other, size, threads, alone):
    modes = find(narrow, wide)
    assert modes.other_bits == other
    assert (modes.max_batch_size, modes.threads, modes.one_at_a_time) == (size, threads, alone)


def test_runs_that_disturb_each_other_go_one_at_a_time():
    narrow = find(Disturbed()).narrow
    answers, one = [], {"x": STUDY["x"][np.newaxis]}
    threads = [threading.Thread(target=lambda: answers.append(narrow(one)["y"].tobytes())) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(answers) == {exact(one)["y"].tobytes()}


def test_where_bits_are_not_promised_they_are_only_told():
    modes = find(by_batch, held=False)
    assert (modes.max_batch_size, modes.other_bits) == (4, ("batch",))


@pytest.mark.parametrize(
    ("alone_ms", "worth_it"), [({1: 20.0, 2: 11.0}, True), ({1: 20.0, 2: 17.0}, False), ({1: 3.0, 2: 1.6}, False), ({1: 20.0}, False)]
)
def test_a_second_session_is_kept_where_it_pays(alone_ms, worth_it):
    assert pays(alone_ms) is worth_it
    assert (find(exact, exact, alone_ms=alone_ms).wide is exact) is worth_it


def test_a_session_that_is_known_not_to_pay_is_not_opened(tmp_path):
    opened = []

    def wide():
        opened.append(1)
        return exact

    for _ in range(2):
        Finder(exact, wide, 2, 1, exact=True, time_runs=Timed(tmp_path, "sha256:1", 2))(STUDY)
    assert len(opened) == 1, "measured at the first start, known at the second"
    Finder(exact, wide, 2, 1, exact=True, time_runs=Timed(tmp_path, "sha256:2", 2))(STUDY)
    assert len(opened) == 2, "another model is measured by itself"


@pytest.mark.parametrize("kept", ["", "[]", "{}", '{"alone_ms": {"1": 1, "2": -1}}', '{"alone_ms": {"1": 1, "2": "x"}}', '{"alone_ms": 3}'])
def test_a_file_that_cannot_be_believed_is_measured_anew(tmp_path, kept):
    timed = Timed(tmp_path, "sha256:1", 2)
    timed(exact, lambda: exact, STUDY)
    (file,) = tmp_path.iterdir()
    told = json.loads(file.read_text())
    file.write_text(json.dumps(json.loads(kept) | {"key": told["key"]}) if kept.startswith("{") else kept)
    assert timed(exact, lambda: exact, STUDY).keys() == {1, 2}
    assert json.loads(file.read_text())["alone_ms"].keys() == {"1", "2"}


def test_only_pictures_are_changed_to_make_neighbours():
    def lookup(tensors: Tensors) -> Tensors:
        if set(tensors["table"].ravel().tolist()) != {0.0, 1.0}:
            raise ValueError("no such row")
        return exact(tensors)

    assert find(lookup, lookup).other_bits == ()


def test_a_folder_that_cannot_be_written_is_no_reason_not_to_serve(tmp_path):
    (tmp_path / "file").write_text("")
    assert Timed(tmp_path / "file" / "below", "sha256:1", 2)(exact, lambda: exact, STUDY).keys() == {1, 2}
    assert Timed(None, "sha256:1", 1)(exact, None, STUDY).keys() == {1}


def test_another_processor_is_another_machine(tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_text("processor : 0\nmodel name : A\ncpu MHz : 1\n\nprocessor : 1\n")
    other.write_text("processor : 0\nmodel name : A\ncpu MHz : 2\n\nprocessor : 1\n")
    assert processor(one) == processor(other)
    other.write_text("processor : 0\nmodel name : B\n")
    assert processor(one) != processor(other)
    assert processor(tmp_path / "absent") == "unknown"


def test_runs_are_measured_in_turns():
    order = []

    def run(name):
        return lambda tensors: order.append(name) or exact(tensors)

    assert all(milliseconds > 0 for milliseconds in measure({1: run("one"), 2: run("two")}, STUDY).values())
    assert order[:6] == ["one", "two"] * 3


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """Convolutions and products of the sizes in which libraries choose between kernels."""
    rng = np.random.default_rng(3)
    weights = {"w": rng.standard_normal((24, 3, 3, 3)), "v": rng.standard_normal((24, 10))}
    constants = [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()]
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1]), helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("GlobalAveragePool", ["r"], ["p"]), helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("MatMul", ["f", "v"], ["y"]),
    ]
    sizes = {"x": (3, 48, 48), "y": (10,)}
    tensors = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *size]) for name, size in sizes.items()]
    graph = helper.make_graph(nodes, "net", tensors[:1], tensors[1:], constants)
    path = tmp_path_factory.mktemp("network") / "model.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)
    return path


async def test_hundreds_of_answers_under_mixed_load_have_the_bits_of_a_run_alone(network):
    rng, chance = np.random.default_rng(0), random.Random(0)  # noqa: S311
    studies = [{"x": rng.standard_normal((3, 48, 48)).astype(np.float32)} for _ in range(8)]
    narrow = Runtime(network)
    expected = [narrow({"x": study["x"][np.newaxis]})["y"][0].tobytes() for study in studies]
    finder = Finder(narrow, lambda: Runtime(network, threads=2), 2, 4, exact=True, time_runs=lambda *_: SHORTER)
    answered = 0
    async with Scheduler(2, max_queue_size=1000) as scheduler:
        one, other = (scheduler.open(name, narrow, max_batch_size=4, find_modes=finder) for name in ("one", "other"))
        await one.settle(studies[0])
        await other.settle(studies[0])
        assert "again" in one.modes.bit_identical

        async def ask(number: int) -> None:
            nonlocal answered
            study, batcher = number % len(studies), chance.choice((one, other))
            urgency = Urgency(chance.choice(tuple(Priority)), time.monotonic() + 120)
            answer = await batcher(studies[study], urgency)
            assert answer.outputs["y"].tobytes() == expected[study]
            answered += 1

        for size in (1, 1, 60, 1, 200, 1, 37):  # alone, and in crowds
            await asyncio.gather(*(ask(number) for number in range(size)))
    assert answered == 301


def test_the_comparison_notices_a_single_bit():
    same = compare(exact, last_bit, STUDY, slots=1, max_batch_size=1)
    assert same == {"again": True, "wide": False}
