"""The device's logic on the real ONNX Runtime: its CPU has buffers and bindings too."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from service.engine.gpu.buffers import Buffers, buckets
from service.engine.gpu.lane import Lane
from service.engine.runtime import Runtime
from service.errors import ArtifactError
from tests.service.engine.gpu.graphs import first, save, studies

ARTIFACTS = Path(__file__).parents[4] / "artifacts"
OUT_OF_MEMORY = "CUDA failure 2: out of memory ; GPU=0"


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("lane") / "model.onnx")


@pytest.fixture(scope="module")
def alone(path: Path):
    """What each study of a batch is answered alone."""
    runtime = Runtime(path)

    def run(batch):
        rows = [runtime({name: tensor[row : row + 1] for name, tensor in batch.items()}) for row in range(len(batch["fields"]))]
        return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}

    return run


@pytest.fixture
def lane(path: Path):
    lane = Lane(lambda graphs: Runtime(path), 8)  # noqa: ARG005
    yield lane
    lane.close()


@pytest.mark.parametrize(
    ("most", "sizes"), [(1, (1,)), (2, (1, 2)), (3, (1, 2, 4)), (8, (1, 2, 4, 8)), (20, (1, 2, 4, 8, 16, 32)), (64, (1, 2, 4, 8, 16, 32))]
)
def test_buckets_hold_the_largest_batch(most, sizes):
    assert buckets(most) == sizes


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 9, 21])
def test_every_batch_size_answers_as_each_study_alone(lane, alone, count):
    batch = studies(count)
    answered, expected = lane(batch), alone(batch)
    assert answered.keys() == expected.keys()
    for name, output in answered.items():
        assert output.tobytes() == expected[name].tobytes(), name


@pytest.mark.parametrize("name", ["bmd", "breast", "chest", "alzheimer"])
def test_what_pads_a_batch_changes_no_bit_of_the_networks_that_are_served(name):
    path = ARTIFACTS / name / "model.onnx"
    runtime, rng = Runtime(path), np.random.default_rng(2)
    batch, other = ({key: rng.random((size, *shape), dtype=np.float32) for key, shape in runtime.inputs.items()} for size in (3, 1))
    lane = Lane(lambda graphs: Runtime(path), 4)  # noqa: ARG005
    answered = lane(batch)
    lane.close()
    beside_another = runtime({key: np.concatenate([tensor, other[key]]) for key, tensor in batch.items()})
    assert all(output.tobytes() == beside_another[key][:3].tobytes() for key, output in answered.items())


def test_only_what_is_asked_for_is_copied_back(lane, alone):
    batch = studies(3)
    assert lane(batch, ["answer"])["answer"].tobytes() == alone(batch)["answer"].tobytes()
    assert lane(batch, ["answer"]).keys() == {"answer"}


def test_what_pads_a_batch_is_never_another_patients(path):
    """In a network whose rows see each other, padding shows: the first study again is all that it sees."""
    lane = Lane(lambda graphs: Runtime(save(path.with_name("coupled.onnx"), coupled=True)), 4)  # noqa: ARG005
    earlier, batch = studies(4, seed=1), studies(3)
    padded = {name: np.concatenate([tensor, tensor[:1]]) for name, tensor in batch.items()}
    expected = lane(padded)["answer"][:3]
    lane(earlier)
    assert np.array_equal(lane(batch)["answer"], expected)
    lane.close()


def test_an_answer_stays_as_it_is_while_others_run(lane, alone):
    batch = studies(2)
    answered = lane(batch)
    before = {name: output.copy() for name, output in answered.items()}
    lane(studies(2, seed=9))
    assert all(np.array_equal(answered[name], output) for name, output in before.items())
    assert answered["answer"].tobytes() == alone(batch)["answer"].tobytes()


def test_callers_side_by_side_never_share_a_buffer(lane, alone):
    batches = [studies(1 + seed % 8, seed) for seed in range(40)]
    expected = [alone(batch)["answer"].tobytes() for batch in batches]
    with ThreadPoolExecutor(6) as threads:
        answered = list(threads.map(lambda batch: lane(batch, ["answer"])["answer"].tobytes(), batches))
    assert answered == expected


def test_one_thread_alone_touches_the_session(path, monkeypatch):
    seen = set()
    real = Buffers.__call__

    def watched(self, *args, **options):
        seen.add(threading.current_thread().name)
        return real(self, *args, **options)

    monkeypatch.setattr(Buffers, "__call__", watched)
    lane = Lane(lambda graphs: Runtime(path), 4)  # noqa: ARG005
    lane.warm(first(studies(1)))
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lane, [studies(2, seed) for seed in range(8)]))
    lane.close()
    assert len(seen) == 1
    assert seen != {threading.current_thread().name}


def test_warming_runs_every_bucket_and_times_it(lane):
    assert lane.warm(first(studies(1))).keys() == {1, 2, 4, 8}
    assert lane.graphs


def test_without_its_largest_bucket_it_runs_larger_batches_in_parts(lane, alone):
    batch = studies(8)
    expected = alone(batch)["answer"].tobytes()
    for largest in (4, 2, 1):
        assert lane.shrink()
        assert lane.largest == largest
        assert lane(batch, ["answer"])["answer"].tobytes() == expected
    assert not lane.shrink()


def test_a_batch_that_runs_in_parts_is_whole_whatever_happens_meanwhile(lane, alone, monkeypatch):
    lane.shrink()
    real, shrinking, batch = Buffers.__call__, [], studies(8)

    def disturbed(self, rows, count, names, *, graph):
        if not shrinking:
            shrinking.append(threading.Thread(target=lane.shrink))
            shrinking[0].start()
            shrinking[0].join(0.2)  # it has to wait for the whole batch: it cannot have ended
            assert shrinking[0].is_alive()
        return real(self, rows, count, names, graph=graph)

    monkeypatch.setattr(Buffers, "__call__", disturbed)
    assert lane(batch, ["answer"])["answer"].tobytes() == alone(batch)["answer"].tobytes()
    shrinking[0].join(10)
    assert lane.largest == 2


def test_what_the_network_does_not_read_is_refused_before_it_is_copied(lane):
    with pytest.raises(ArtifactError, match="the network reads"):
        lane({"picture": np.zeros((1, 3, 9, 9), np.float32)})


class Failing:
    """A session that counts its runs, and for which some fail."""

    def __init__(self, session, fails) -> None:
        self._session = session
        self._fails = fails

    def io_binding(self):
        return self._session.io_binding()

    def run_with_iobinding(self, binding, options):
        self._fails(options.get_run_config_entry("gpu_graph_id"))
        self._session.run_with_iobinding(binding, options)


def test_where_a_capture_fails_it_goes_on_without_graphs(path, alone):
    opened = []

    def opens(graphs):
        opened.append(graphs)
        runtime = Runtime(path)

        def fails(graph):
            if graphs and graph == "2":
                raise RuntimeError("CUDA failure 900: operation not permitted when stream is capturing")
            assert graphs or graph == "-1"

        runtime.session = Failing(runtime.session, fails)
        return runtime

    lane, batch = Lane(opens, 4), studies(4)
    assert lane.warm(first(batch)).keys() == {1, 2, 4}
    assert (opened, lane.graphs) == ([True, False], False)
    assert lane(batch)["answer"].tobytes() == alone(batch)["answer"].tobytes()
    lane.close()


def test_a_graph_that_answers_otherwise_is_not_used(path, monkeypatch):
    real = Buffers.__call__

    def other(self, rows, count, names, *, graph):
        outputs = real(self, rows, count, names, graph=graph)
        return {name: output + graph * (self.bucket == 4) for name, output in outputs.items()}

    monkeypatch.setattr(Buffers, "__call__", other)
    lane = Lane(lambda graphs: Runtime(path), 4)  # noqa: ARG005
    lane.warm(first(studies(1)))
    assert not lane.graphs
    lane.close()


def test_a_fault_of_the_device_in_the_warm_up_is_not_taken_for_one_of_graphs(path):
    runtime = Runtime(path)

    def fails(graph):
        if graph == "4":
            raise RuntimeError(OUT_OF_MEMORY)

    runtime.session = Failing(runtime.session, fails)
    lane = Lane(lambda graphs: runtime, 4)  # noqa: ARG005
    with pytest.raises(RuntimeError, match="out of memory"):
        lane.warm(first(studies(1)))
    assert lane.graphs
    lane.close()


def test_buckets_for_which_there_is_no_memory_are_left_out(path, monkeypatch):
    real = Buffers.__init__

    def scarce(self, runtime, bucket, place):
        if bucket > 2:
            raise RuntimeError(OUT_OF_MEMORY)
        real(self, runtime, bucket, place)

    monkeypatch.setattr(Buffers, "__init__", scarce)
    lane = Lane(lambda graphs: Runtime(path), 8)  # noqa: ARG005
    assert lane.largest == 2
    lane.close()
