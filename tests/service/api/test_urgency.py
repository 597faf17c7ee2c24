"""X-Priority and X-Deadline-Ms: what they may say, and that they are heeded before a byte of the body is read."""

import asyncio
import json
import math
import time
from contextlib import contextmanager

import pytest
from starlette.datastructures import Headers

from service.api.urgency import Terms
from service.engine.batch import Request
from service.errors import InvalidParameterError
from service.waiting.urgency import WHENEVER, Priority
from tests.service.studies import METADATA, hip_dicom, hip_png

session = pytest.mark.asyncio(loop_scope="session")
DICOM = {"Content-Type": "application/dicom"}


def terms(**headers: str) -> Terms:
    return Terms.of(Headers({name.replace("_", "-"): value for name, value in headers.items()}), 100.0, 60.0)


def test_what_nobody_says_is_routine_and_counts_from_the_receipt_of_the_body():
    before = time.monotonic()
    urgency = terms().urgency()
    assert urgency.priority == Priority.ROUTINE
    assert before + 60 <= urgency.deadline <= time.monotonic() + 60


@pytest.mark.parametrize(("word", "priority"), [("stat", Priority.STAT), ("Routine", Priority.ROUTINE), (" batch ", Priority.BATCH)])
def test_a_caller_says_how_urgent_it_is_and_until_when_from_the_arrival(word, priority):
    urgency = terms(x_priority=word, x_deadline_ms="1500").urgency()
    assert (urgency.priority, urgency.deadline) == (priority, 101.5)


@pytest.mark.parametrize(
    ("name", "value", "hint"),
    [("X-Priority", "urgent", "stat, routine, batch"), ("X-Priority", "", "stat, routine, batch")]
    + [("X-Deadline-Ms", value, "from 1 to 60000") for value in ("0", "60001", "-5", "1e3", "1.5", "soon", "", "9" * 5000, "٣")],
)
def test_what_cannot_be_is_refused_with_what_can(name, value, hint):
    with pytest.raises(InvalidParameterError) as refused:
        Terms.of(Headers(raw=[(name.lower().encode(), value.encode())]), 0.0, 60.0)
    assert hint in refused.value.hint
    assert refused.value.details[0].pointer == f"/{name}"
    if value:
        assert value not in f"{refused.value} {refused.value.hint}".replace(hint, "")


def test_a_header_that_occurs_twice_is_refused():
    with pytest.raises(InvalidParameterError):
        Terms.of(Headers(raw=[(b"x-priority", b"stat"), (b"x-priority", b"batch")]), 0.0, 60.0)


@session
async def test_a_wrong_header_is_a_problem_and_a_right_one_is_answered(client):
    study = {"files": {"image": hip_png()}, "data": {"metadata": json.dumps(METADATA)}}
    for headers in ({"X-Priority": "now"}, {"X-Deadline-Ms": "none"}):
        answer = await client.post("/predict/bmd", **study, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_parameter")
        assert answer.headers["content-type"] == "application/problem+json"
    answer = await client.post("/predict/bmd", **study, headers={"X-Priority": "stat", "X-Deadline-Ms": "60000"})
    assert answer.status_code == 200, answer.text


@contextmanager
def busy(app, seconds):
    """The slots have runs in them that are predicted to take so long, and one more study waits."""
    lines = app.state.serving.predictors["bmd"]._infer._scheduler.lines
    line, loop = lines.line("bmd"), asyncio.get_running_loop()
    usual_s, line.duration.mean_s = line.duration.mean_s, seconds
    began = []
    for _ in range(lines.servers):
        lines.join("bmd", WHENEVER, Request({}, loop.create_future()))
        began.append(lines.begin([lines.next()]))
    try:
        yield
    finally:
        for served in began:
            lines.end(served, learn=False)
        line.duration.mean_s = usual_s


def asked(**headers: str):
    """A request whose body must not be read, and the messages that answer it."""
    sent = []

    async def receive():
        raise AssertionError("the body was read")

    async def send(message):
        sent.append(message)

    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in (headers | {"content_type": "application/dicom"}).items()]
    scope = {
        "type": "http", "method": "POST", "path": "/predict/bmd", "raw_path": b"/predict/bmd", "query_string": b"", "root_path": "",
        "headers": raw, "http_version": "1.1", "scheme": "http",
    }
    return (scope, receive, send), sent


@session
async def test_what_would_be_late_is_refused_before_its_body_is_read_and_answered_when_the_others_are_done(app, client):
    counted = 'chiasm_queue_refused_total{model="bmd",priority="stat",reason="predicted_wait"}'
    with busy(app, 3.0):
        arguments, sent = asked(x_deadline_ms="1000", x_priority="stat")
        await app(*arguments)
        head, problem = sent[0], json.loads(sent[1]["body"])
        assert (head["status"], problem["code"]) == (503, "overloaded")
        retry_after_s = int(dict(head["headers"])[b"retry-after"])
        assert 2 <= retry_after_s <= math.ceil(3.0)
        assert counted in (await client.get("/metrics")).text
        assert (await client.get("/health/ready")).status_code == 200
    answer = await client.post("/predict/bmd", content=hip_dicom(), headers={**DICOM, "X-Deadline-Ms": "60000"})
    assert answer.status_code == 200


@session
async def test_what_was_let_in_and_cannot_run_in_time_is_told_so_and_what_to_do(app, client):
    with busy(app, 0.01):  # a prediction that does not come true
        answer = await client.post("/predict/bmd", content=hip_dicom(), headers={**DICOM, "X-Deadline-Ms": "2000"})
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (503, "deadline_exceeded")
    assert "X-Deadline-Ms" in problem["hint"]
    assert int(answer.headers["retry-after"]) >= 1
    await asyncio.sleep(0.1)  # the answer does not wait for its place to be given up
    assert 'chiasm_queue_dropped_total{model="bmd",reason="expired",stage="infer"}' in (await client.get("/metrics")).text


@session
async def test_a_body_that_is_longer_than_the_memory_left_is_refused_before_it_is_read(app, client):
    budget = app.state.serving.budget
    left, budget.left = budget.left, 1000
    try:
        arguments, sent = asked(content_length="5000")
        await app(*arguments)
    finally:
        budget.left = left
    assert (sent[0]["status"], json.loads(sent[1]["body"])["code"]) == (503, "overloaded")
    assert 'chiasm_queue_refused_total{model="bmd",priority="routine",reason="bytes"}' in (await client.get("/metrics")).text


@session
async def test_a_model_says_how_it_runs_here(client):
    execution = (await client.get("/models/bmd")).json()["execution"]
    assert execution["bit_identical"]["again"] is True
    assert execution["threads_when_alone"] >= 1
    assert execution["milliseconds_alone"]["1"] > 0
    assert execution["max_batch_size"] == 1
