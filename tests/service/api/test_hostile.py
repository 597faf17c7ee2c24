"""The hostile corpus through the running service: one problem for each file, and nothing for anybody else to notice."""

import asyncio
import contextlib
import json
import logging
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI

from models.errors import TooLargeError
from service.api.problems import status_of
from service.app import create_app
from service.settings import Settings
from tests.models.decode.hostile_corpus import CASES, Case
from tests.service.studies import METADATA, hip_png

pytestmark = pytest.mark.asyncio(loop_scope="module")
MEMORY_MB = 1024
SLOWEST_S = 10.0
HEALTHY = {"files": {"image": hip_png()}, "data": {"metadata": json.dumps(METADATA)}}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hostile_app(artifacts: Path) -> AsyncIterator[FastAPI]:
    settings = Settings(
        artifacts=artifacts, models=("bmd",), gate=False, decoder_workers=2, decoder_memory_mb=MEMORY_MB, max_request_bytes=16 << 20,
        decode_timeout_s=SLOWEST_S,
    )  # fmt: skip
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        await app.state.proved.wait()
        yield app


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def caller(hostile_app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(hostile_app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://chiasm", timeout=60) as client:
        yield client


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def usual(caller: httpx.AsyncClient) -> dict:
    """What the healthy study gets where nothing hostile is near."""
    return numbers(await caller.post("/predict/bmd", **HEALTHY))


def numbers(answer: httpx.Response) -> dict:
    """Everything that was computed, to the last bit."""
    assert answer.status_code == 200, answer.text
    told = answer.json()
    return {key: value for key, value in told.items() if key not in {"id", "request_id", "timing_ms"}}


def workers() -> dict[int, int]:
    """Decoder process -> the most memory that it ever held, in MiB."""
    found = {}
    for pid in _children():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it went while we looked
            peak = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
            if peak and "service.decoding" in Path(f"/proc/{pid}/cmdline").read_text():
                found[pid] = int(peak[1]) >> 10
    return found


def _children() -> set[int]:
    pids: set[int] = set()
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a thread that ended
            pids |= set(map(int, (task / "children").read_text().split()))
    return pids


def known(pid: int) -> str:
    """What anybody on the machine may read of a process."""
    return "".join(Path(f"/proc/{pid}/{what}").read_text() for what in ("cmdline", "environ", "comm"))


async def sent(caller: httpx.AsyncClient, case: Case) -> httpx.Response:
    return await caller.post("/predict/bmd", files={"image": case.build()}, data={"metadata": json.dumps(METADATA)})


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.number} {case.name}")
async def test_a_hostile_file_costs_one_request_and_nobody_else_notices(caller, usual, caplog, case: Case):
    before, started = set(workers()), time.monotonic()
    with caplog.at_level(logging.DEBUG):
        answer, healthy = await asyncio.gather(sent(caller, case), caller.post("/predict/bmd", **HEALTHY))
    assert time.monotonic() - started < SLOWEST_S
    assert numbers(healthy) == usual
    assert set(workers()) == before  # a refusal, not a death: the corpus kills no decoder
    assert max(workers().values()) < MEMORY_MB
    assert "CANARY" not in answer.text + "".join(str(vars(record)) for record in caplog.records)
    if case.outcome is None:
        assert answer.status_code == 200, answer.text
        return
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (status_of(case.outcome), case.outcome.code), answer.text
    assert problem["type"] == f"urn:chiasm:problem:{case.outcome.code}"
    assert case.names in problem["detail"] + json.dumps(problem["errors"])
    assert not any(word in answer.text for word in ("Traceback", ".py", "/proc"))


async def test_the_names_of_the_decoders_say_nothing(caller):
    await asyncio.gather(*(sent(caller, case) for case in CASES if case.number == 34))
    for pid in workers():
        assert "CANARY" not in known(pid)


async def test_too_many_hostile_files_at_once_are_refused_and_the_service_goes_on(caller, usual):
    bodies = [case.build() for case in CASES if case.outcome is TooLargeError]
    answers = await asyncio.gather(*(caller.post("/predict/bmd", files={"image": body}) for body in bodies for _ in range(5)))
    assert {answer.status_code for answer in answers} <= {413, 503}
    assert numbers(await caller.post("/predict/bmd", **HEALTHY)) == usual
