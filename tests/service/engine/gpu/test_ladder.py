"""A network that fails on a schedule: what is tried, in which order, and that no answer is wrong or lost on the way."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from service.engine.batch import Request, RunAgainError, serve
from service.engine.gpu.ladder import BACK_OFF_S, FORGIVEN_S, Ladder
from service.errors import DeadlineError, NotReadyError

MEMORY, LOST, OTHER = "Failed to allocate memory for requested buffer", "CUDA failure 700: an illegal memory access", "INVALID_ARGUMENT"
STUDY = {"x": np.float32([1.0])}


def batch(size: int) -> dict[str, np.ndarray]:
    return {"x": np.arange(size, dtype=np.float32).reshape(size, 1)}


class Machine:
    """A GPU and a CPU that double; the GPU raises what stands in `faults` for each run of a session, and "" runs."""

    def __init__(self, *faults: str, memory: int = 32, opens: int = 9, cpu: float = 2.0) -> None:
        self.faults, self.memory, self.opens, self.cpu = list(faults), memory, opens, cpu
        self.ran: list[str] = []
        self.slept: list[float] = []
        self.now = 0.0
        self.told: list[tuple[str, str]] = []
        self.closed = 0
        self.lock = threading.Lock()
        self.ladder = Ladder(lambda: Device(self), self.open_cpu, sleep=self.slept.append, clock=lambda: self.now)
        self.ladder.on_change = lambda fault: self.told.append((fault, self.ladder.state))

    def open_cpu(self) -> Cpu:
        return Cpu(self)


class Device:
    provider = "CUDAExecutionProvider"
    digest = "sha256:1"
    graphs = pinned = True

    def __init__(self, machine: Machine) -> None:
        machine.opens -= 1
        if machine.opens < 0:
            raise RuntimeError("CUDA failure 100: no CUDA-capable device is detected")
        self.machine, self.largest, self.open = machine, 32, True
        self.metadata, self.inputs, self.outputs = {}, {"x": (1,)}, {"y": (1,)}

    def shrink(self) -> bool:
        smaller = self.largest > 1
        self.largest = max(1, self.largest // 2)
        return smaller

    def warm(self, study):
        assert study is STUDY
        return {size: 0.001 * size for size in (1, 2, 4, 8, 16, 32) if size <= self.largest}

    def close(self) -> None:
        self.open = False
        self.machine.closed += 1

    def __call__(self, tensors, names=()):  # noqa: ARG002  a network is asked for outputs by name
        if not self.open:
            raise RuntimeError("cannot schedule new futures after shutdown")
        size = min(len(tensors["x"]), self.largest)
        with self.machine.lock:
            fault = self.machine.faults.pop(0) if self.machine.faults and len(tensors["x"]) > 1 else ""
        self.machine.ran.append(f"gpu {size}")
        if fault or size > self.machine.memory:
            raise RuntimeError(fault or MEMORY)
        return {"y": 2 * tensors["x"]}


class Cpu:
    provider = "CPUExecutionProvider"

    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    def __call__(self, tensors, names=()):  # noqa: ARG002  as above
        self.machine.ran.append(f"cpu {len(tensors['x'])}")
        return {"y": np.float32(self.machine.cpu) * tensors["x"]}


def proved(machine: Machine) -> Ladder:
    machine.ladder.prepare(STUDY)
    machine.ladder.hold_to(lambda outputs: bool(outputs["y"][0] == 2.0))
    return machine.ladder


def doubled(outputs, size: int) -> bool:
    return outputs["y"].ravel().tolist() == [2.0 * row for row in range(size)]


def test_what_works_is_left_alone():
    machine = Machine()
    outputs = proved(machine)(batch(8))
    assert doubled(outputs, 8)
    assert (outputs.provider, machine.ladder.state, machine.told) == ("CUDAExecutionProvider", "full", [])
    assert machine.ladder.placement.run_s.keys() == {1, 2, 4, 8, 16, 32}
    assert machine.ladder.placement.graphs
    assert machine.ladder.placement.pinned


def test_out_of_memory_halves_the_batches_until_they_fit():
    machine = Machine(memory=8)
    assert doubled(proved(machine)(batch(32)), 32)
    assert machine.ran == ["gpu 32", "gpu 16", "gpu 8"]
    assert machine.told == [("out_of_memory", "reduced")] * 2
    assert (machine.ladder.largest, machine.ladder.placement.run_s.keys()) == (8, {1, 2, 4, 8})
    assert machine.slept == []


def test_where_even_one_does_not_fit_the_session_is_opened_once_more_after_a_pause():
    machine = Machine(*[MEMORY] * 6)
    assert doubled(proved(machine)(batch(32)), 32)
    assert machine.told == [*[("out_of_memory", "reduced")] * 5, ("out_of_memory", "rebuilt")]
    assert (machine.slept, machine.closed, machine.ladder.largest) == ([BACK_OFF_S], 1, 32)


def test_a_lost_device_is_opened_once_and_given_up_the_second_time():
    machine = Machine(LOST, LOST)
    outputs = proved(machine)(batch(3))
    assert doubled(outputs, 3)
    assert outputs.provider == "CPUExecutionProvider"
    assert machine.told == [("device_lost", "rebuilt"), ("device_lost", "degraded")]
    assert machine.ran[-3:] == ["cpu 1"] * 3, "row by row: on the CPU these are the bits of a study alone"
    assert machine.closed == 2
    assert machine.ladder.placement.degraded
    assert (machine.ladder.largest, dict(machine.ladder.placement.run_s)) == (1, {})
    assert machine.ladder.alone_s > 0


def test_a_fault_after_a_good_hour_is_a_new_one():
    machine = Machine(LOST, "", LOST, "")
    ladder = proved(machine)
    for _ in range(2):
        assert doubled(ladder(batch(2)), 2)
        machine.now += FORGIVEN_S + 1
    assert (machine.ladder.state, len(machine.slept)) == ("rebuilt", 2)


def test_a_device_that_does_not_come_back_is_given_up_at_once():
    machine = Machine(LOST, opens=1)
    assert doubled(proved(machine)(batch(2)), 2)
    assert machine.told == [("device_lost", "degraded")]


def test_a_session_that_does_not_reproduce_the_golden_case_never_answers():
    machine = Machine(LOST)
    ladder = proved(machine)
    verdicts = iter([False, True, True])
    ladder.hold_to(lambda _: next(verdicts))  # the new session, then the CPU twice
    assert ladder(batch(2)).provider == "CPUExecutionProvider"
    assert machine.closed == 2


def test_nothing_answers_where_the_cpu_does_not_reproduce_the_golden_case():
    machine = Machine(LOST, opens=1, cpu=2.5)
    ladder = proved(machine)
    for _ in range(2):
        with pytest.raises(NotReadyError, match="GPU is lost"):
            ladder(batch(2))
    assert (ladder.state, ladder.provider, machine.told) == ("lost", "none", [("device_lost", "lost")])


def test_nor_where_the_artifact_was_exchanged_meanwhile():
    machine = Machine(LOST, opens=1)
    ladder = proved(machine)
    ladder._open_cpu = lambda: (_ for _ in ()).throw(OSError("gone"))
    with pytest.raises(NotReadyError):
        ladder(batch(2))
    assert ladder.placement.state == "lost"


@pytest.mark.parametrize("error", [OTHER, "NaN"])
def test_an_error_that_is_none_of_the_device_is_the_callers(error):
    machine = Machine(error)
    with pytest.raises(RuntimeError, match=error):
        proved(machine)(batch(2))
    assert (machine.ladder.state, machine.told) == ("full", [])


def test_several_that_fail_together_recover_once():
    machine = Machine(*[LOST] * 4)
    ladder, start = proved(machine), threading.Barrier(4)

    def ask(_):
        start.wait(10)
        return doubled(ladder(batch(4)), 4)

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(ask, range(4)))
    assert len(machine.told) <= 2, "one session anew, then the CPU"
    assert len(machine.slept) == 1


async def test_those_in_flight_run_again_if_they_are_still_in_time():
    machine, threads = Machine(LOST, opens=1), ThreadPoolExecutor(1)
    ladder, loop = proved(machine), asyncio.get_running_loop()
    soon, late, left = (Request({"x": np.float32([value])}, loop.create_future()) for value in (1, 2, 3))
    late.deadline = time.monotonic() - 1
    left.answer.cancel()
    await serve([soon, late, left], ladder.attempt, threads)
    threads.shutdown()
    inference = soon.answer.result()
    assert (inference.outputs["y"].tolist(), inference.provider) == ([2.0], "CPUExecutionProvider")
    assert isinstance(late.answer.exception(), DeadlineError)
    assert machine.ran.count("cpu 1") == 3, "two to prove itself, and one study"


def test_who_schedules_is_told_instead():
    machine = Machine(LOST)
    with pytest.raises(RunAgainError):
        proved(machine).attempt(batch(2))
    assert machine.ladder.state == "rebuilt"


def test_a_warm_up_that_runs_out_of_memory_leaves_out_the_largest(monkeypatch):
    machine = Machine()

    def warm(self, _):
        if self.largest > 4:
            raise RuntimeError(MEMORY)
        return {1: 0.1}

    monkeypatch.setattr(Device, "warm", warm)
    machine.ladder.prepare(STUDY)
    assert machine.ladder.largest == 4


def test_closing_releases_the_device_once():
    machine = Machine()
    machine.ladder.close()
    machine.ladder.close()
    assert machine.closed == 1


def test_a_new_session_that_fails_in_its_warm_up_is_released(monkeypatch):
    machine = Machine(LOST)
    ladder = proved(machine)
    monkeypatch.setattr(Device, "warm", lambda self, study: (_ for _ in ()).throw(RuntimeError(LOST)))  # noqa: ARG005
    assert ladder(batch(2)).provider == "CPUExecutionProvider"
    assert machine.closed == 2


def test_on_the_cpu_a_study_can_still_be_prepared():
    machine = Machine(LOST, opens=1)
    ladder = proved(machine)
    ladder(batch(2))
    assert dict(ladder.prepare(STUDY)) == {}
