import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from models import SPECS
from models.decode import Limits
from models.errors import Detail, InvalidMetadataError, StudyError
from models.prediction import FieldValue, Reading
from models.study import Part, Study, read_study
from service.decoding import wire
from service.decoding.pool import DecoderPool
from service.decoding.process import Bounds
from service.errors import DecoderCrashedError, DecodingTimeoutError, DrainingError, OverloadedError
from tests.service.studies import METADATA, hip_dicom

SPEC = SPECS["bmd"]
ROOT = Path(__file__).resolve().parents[3]
HOSTILE = (sys.executable, "-m", "tests.service.decoding.hostile_worker")
BOUNDS = Bounds(max_queue_size=2, timeout_s=5.0, memory_bytes=1 << 30, studies_per_worker=1000)
failures: list[tuple[str, list[str]]] = []


def study(**metadata: object) -> Study:
    return Study((Part(b"abc", "image"),), dict(metadata))


def pool(workers: int = 1, **changed: float) -> DecoderPool:
    return DecoderPool(
        workers, Limits(max_pixels=77), replace(BOUNDS, **changed), command=HOSTILE, on_failure=lambda *what: failures.append(what)
    )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def decode() -> AsyncIterator[DecoderPool]:
    async with pool() as decode:
        yield decode


def exists(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def said(pid: int, what: str) -> str:
    return Path(f"/proc/{pid}/{what}").read_text()


async def alive(decode: DecoderPool) -> Reading:
    return await decode(SPEC, study())


@pytest.mark.asyncio(loop_scope="module")
async def test_a_reading_crosses_unchanged(decode):
    reading = await alive(decode)
    assert reading.tensors["image"].tolist() == [[97.0, 98.0, 99.0]]
    assert reading.tensors["length"].tolist() == [3.0]
    assert reading.metadata == {"a": FieldValue(1.5, "request"), "b": FieldValue(None, "missing"), "c": FieldValue("x", "dicom")}
    assert reading.images[0].chosen_because.endswith(", 77")
    assert reading.unused_images[0].rejected_because == "too dark"
    assert (reading.quality[0].detail, reading.timing_ms["decode"], list(reading.timing_ms)) == ("bmd", 1.0, ["queue", "decode"])


@pytest.mark.asyncio(loop_scope="module")
async def test_a_study_error_is_raised_again_as_the_same_class(decode):
    with pytest.raises(InvalidMetadataError, match="one field") as refused:
        await decode(SPEC, study(do="refuse"))
    assert (refused.value.hint, refused.value.details) == ("do better", (Detail("/metadata/a", "wrong"),))


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("command", ["die", "segfault"])
async def test_a_study_that_kills_its_worker_costs_one_request(decode, command):
    before = decode.pids
    with pytest.raises(DecoderCrashedError):
        await decode(SPEC, study(do=command))
    assert (await alive(decode)).quality[0].detail == "bmd"
    assert not before & decode.pids


@pytest.mark.asyncio(loop_scope="module")
async def test_a_study_that_takes_too_much_memory_costs_one_request(decode):
    with pytest.raises(DecoderCrashedError):
        await decode(SPEC, study(do="grow"))
    await alive(decode)
    assert failures[-1][0] in {"MemoryError", "_ArrayMemoryError"}


@pytest.mark.asyncio(loop_scope="module")
async def test_an_unexpected_error_is_told_by_its_class_and_place_and_not_by_its_words(decode):
    with pytest.raises(DecoderCrashedError) as crashed:
        await decode(SPEC, study(do="fail", words="ZZCANARY"))
    kind, frames = failures[-1]
    assert kind == "RuntimeError"
    assert frames[-1].startswith("hostile_worker.py:")
    assert "ZZCANARY" not in f"{crashed.value!r} {failures}"


@pytest.mark.asyncio(loop_scope="module")
async def test_a_worker_cannot_write_files(decode, tmp_path):
    with pytest.raises(DecoderCrashedError):
        await decode(SPEC, study(do="write", path=str(tmp_path / "leak")))
    assert (tmp_path / "leak").read_bytes() == b""


@pytest.mark.asyncio(loop_scope="module")
async def test_what_native_code_prints_goes_nowhere(decode, capfd):
    await decode(SPEC, study(do="print", words="ZZCANARY"))
    assert capfd.readouterr() == ("", "")


@pytest.mark.asyncio(loop_scope="module")
async def test_a_worker_carries_nothing_of_the_study_in_its_command_line_or_environment(decode):
    await decode(SPEC, study(words="ZZCANARY"))
    (pid,) = decode.pids
    assert "hostile_worker" in said(pid, "cmdline")
    assert "CANARY" not in said(pid, "cmdline") + said(pid, "environ")
    assert said(pid, "limits").count("1073741824") == 2  # the address space, soft and hard


async def test_a_study_that_takes_too_long_is_stopped_and_its_worker_replaced():
    async with pool(timeout_s=0.3) as decode:
        before = decode.pids
        for command in ({"sleep": 30}, {"do": "spin"}):
            with pytest.raises(DecodingTimeoutError, match=r"0\.3 s"):
                await decode(SPEC, study(**command))
        await alive(decode)
        assert not before & decode.pids
        assert not any(map(exists, before))


async def test_waiting_is_bounded_and_the_refusal_says_when_to_come_back():
    async with pool() as decode:
        tasks = [asyncio.create_task(decode(SPEC, study(sleep=0.3))) for _ in range(3)]
        await asyncio.sleep(0.1)
        with pytest.raises(OverloadedError) as refused:
            await alive(decode)
        assert 0 < refused.value.retry_after_s < 5
        assert len(await asyncio.gather(*tasks)) == 3


async def test_a_caller_who_left_the_queue_frees_the_place_and_one_who_left_a_study_frees_the_worker():
    async with pool() as decode:
        tasks = [asyncio.create_task(decode(SPEC, study(sleep=0.2))) for _ in range(3)]
        await asyncio.sleep(0.05)
        for task in (tasks[0], tasks[2]):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        pids = decode.pids
        await alive(decode)
        assert decode.pids == pids


async def test_a_worker_is_replaced_after_so_many_studies():
    async with pool(studies_per_worker=2) as decode:
        first, answered = decode.pids, 0
        while decode.pids & first:  # it reads on until another is ready
            await alive(decode)
            answered += 1
        assert (answered >= 2, len(decode.pids)) == (True, 1)
        await alive(decode)
    assert not any(map(exists, first))


async def test_the_event_loop_goes_on_while_workers_compute():
    async with pool() as decode:
        task = asyncio.create_task(decode(SPEC, Study((Part(bytes(20 << 20), "image"),), {"sleep": 0.2})))
        longest, loop = 0.0, asyncio.get_running_loop()
        while not task.done():
            started = loop.time()
            await asyncio.sleep(0.005)
            longest = max(longest, loop.time() - started)
        assert (await task).tensors["length"].tolist() == [20 << 20]
    assert longest < 0.15


async def test_closing_leaves_no_process_and_takes_nothing_more():
    async with pool(2) as decode:
        pids = decode.pids
        left = asyncio.create_task(decode(SPEC, study(sleep=30)))
        await asyncio.sleep(0.05)
    assert len(pids) == 2
    assert not any(map(exists, pids))
    assert isinstance((await asyncio.gather(left, return_exceptions=True))[0], asyncio.CancelledError)
    with pytest.raises(DrainingError):
        await alive(decode)


async def test_a_worker_that_cannot_start_is_said_so():
    decode = DecoderPool(1, Limits(), BOUNDS, command=(sys.executable, "-c", "raise SystemExit(1)"))
    with pytest.raises(DecoderCrashedError, match="could not start"):
        async with decode:
            pass
    assert decode.pids == set()


def test_no_worker_outlives_a_service_that_was_killed():
    code = (
        "import asyncio, os, signal\n"
        "from models.decode import Limits\n"
        "from service.decoding.pool import Bounds, DecoderPool\n"
        "async def main():\n"
        "    async with DecoderPool(1, Limits(), Bounds()) as pool:\n"
        "        print(*pool.pids, flush=True)\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "asyncio.run(main())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert not _running(int(done.stdout))


def _running(pid: int) -> bool:
    """Whether a process still runs; an orphan that was killed may wait for init as a zombie."""
    for _ in range(200):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except FileNotFoundError:
            return False
        if state == "Z":
            return False
        os.sched_yield()
        subprocess.run(["sleep", "0.01"], check=True)
    return True


async def test_the_real_worker_reads_what_the_library_reads():
    image = Study((Part(hip_dicom(), None),), dict(METADATA))
    async with DecoderPool(1, Limits(), Bounds()) as decode:
        there, here = await decode(SPEC, image), read_study(SPEC, image, Limits())
    assert {name: tensor.tobytes() for name, tensor in there.tensors.items()} == {name: t.tobytes() for name, t in here.tensors.items()}
    assert there.thumbnails["image"].tobytes() == here.thumbnails["image"].tobytes()
    bare = {"tensors": {}, "thumbnails": {}, "timing_ms": {}}
    assert replace(there, **bare) == replace(here, **bare)


async def test_without_a_gate_no_thumbnail_is_made():
    async with DecoderPool(1, Limits(thumbnails=False), Bounds()) as decode:
        reading = await decode(SPEC, Study((Part(hip_dicom(), None),), dict(METADATA)))
    assert (list(reading.thumbnails), list(reading.tensors)[:1]) == ([], ["image"])


def test_every_study_error_has_its_way_back():
    def tree(kind: type[StudyError]) -> set[type[StudyError]]:
        return {kind}.union(*map(tree, kind.__subclasses__()))

    for kind in tree(StudyError):
        assert type(wire.error_of(wire.Refusal(kind.__name__, "m", "h", ()))) is kind
    assert isinstance(wire.error_of(wire.Refusal("Unheard", "m", "h", ())), DecoderCrashedError)


@pytest.mark.parametrize("sizes", [(wire.MAX_HEADER_BYTES + 1, 0), (10, wire.MAX_BLOB_BYTES + 1)])
def test_a_message_larger_than_any_of_ours_is_refused(sizes):
    with pytest.raises(ValueError, match="larger"):
        wire.check_size(*sizes)


@pytest.mark.asyncio
@pytest.mark.parametrize(("cores", "alone", "beside"), [(1, 1, 1), (2, 2, 1), (4, 4, 2), (64, 4, 4)])
async def test_a_decoder_takes_the_cores_that_no_other_uses(cores, alone, beside):
    async with pool(2, cores=cores) as decode:
        assert f"threads {alone}," in (await alive(decode)).images[0].chosen_because
        first = asyncio.create_task(decode(SPEC, study(sleep=1.0)))
        await asyncio.sleep(0.2)
        assert f"threads {beside}," in (await alive(decode)).images[0].chosen_because
        await first
