import asyncio
import io
import json
import logging
import shutil
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest

from models import SPECS
from models.decode.codecs import SYNTAXES
from models.golden import Golden
from models.metadata import schema
from models.spec import ModelSpec
from models.study import Part, Study
from service.api.renderings import RENDERINGS
from service.app import create_app, open_artifacts
from service.errors import ArtifactError, NotClinicalError, SpecMismatchError
from service.settings import Settings
from service.telemetry import JsonFormatter
from tests.service.artifact import build_artifact
from tests.service.studies import CANARY, CANARY_ID, METADATA, hip_dicom, hip_png

session = pytest.mark.asyncio(loop_scope="session")


@pytest.fixture
def own(artifacts: Path, tmp_path: Path) -> Path:
    """A copy of the artifacts that a test may spoil."""
    return Path(shutil.copytree(artifacts, tmp_path / "artifacts"))


@asynccontextmanager
async def running(**settings):
    app = create_app(Settings(decoder_workers=1, models=("bmd",), gate=False, **settings))
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://chiasm") as client:
        yield app, client


@session
async def test_the_models_describe_themselves(client):
    (listed,) = (await client.get("/models")).json()["models"]
    alone = (await client.get("/models/bmd")).json()
    assert listed == alone
    assert alone["spec_digest"] == SPECS["bmd"].digest()
    assert (alone["training_data"], alone["execution_provider"], alone["state"]) == ("synthetic phantoms", "CPUExecutionProvider", "ready")
    assert alone["digest"].startswith("sha256:")
    assert alone["inputs"]["images"][0]["modalities"] == ["CR", "DX"]


@session
async def test_the_metadata_schema_is_that_of_the_library(client):
    assert (await client.get("/models/bmd/metadata-schema")).json() == schema(SPECS["bmd"])


@session
async def test_a_proved_service_is_live_and_ready(client):
    assert (await client.get("/health/live")).json() == {"status": "live"}
    assert (await client.get("/health/ready")).json() == {"status": "ready", "models": {"bmd": "ready"}}


@session
async def test_a_load_balancer_may_ask_for_the_head_alone(client):
    for path in ("/health/live", "/health/ready"):
        assert (await client.head(path)).status_code == 200


@session
async def test_what_the_service_can_do_was_tried(client):
    answer = (await client.get("/capabilities")).json()
    assert answer["models"] == {"bmd": "ready"}
    assert {each["syntax"] for each in answer["decoders"]} == {*SYNTAXES, "png", "jpeg"}
    assert all(each["works"] for each in answer["decoders"])
    assert answer["renderings"] == list(RENDERINGS)
    assert answer["renderings"][0] == "application/json"
    assert answer["limits"]["max_instances"] > 0
    assert 'chiasm_decoder_works{decoder="imagecodecs' in (await client.get("/metrics")).text


@session
async def test_what_a_decoder_fails_on_can_be_found_by_the_request(app, client, caplog):
    @app.get("/failing-decoder")
    async def fail() -> None:
        await app.state.serving.predictors["bmd"]._decode(ModelSpec.model_construct(name="bmd"), Study((), {}))  # what no decoder expects

    answer = await client.get("/failing-decoder", headers={"X-Request-Id": "find me"})
    assert answer.json()["code"] == "decoder_crashed"
    record = next(record for record in caplog.records if record.message == "unexpected error in a decoder")
    assert record.request_id == "find me"


@session
async def test_requests_are_counted_by_template_and_never_by_what_somebody_made_up(client):
    for path in (f"/predict/{CANARY}", f"/{CANARY}", f"/models/{CANARY}?x={CANARY}"):
        await client.post(path)
    await client.post("/predict/bmd", files={"image": hip_png()}, data={"metadata": json.dumps(METADATA)})
    await client.post("/predict/bmd", files={"image": b"text"})
    text = (await client.get("/metrics")).text
    for line in (
        'chiasm_requests_total{code="404",method="POST",route="/predict/{model}"}',
        'chiasm_requests_total{code="404",method="POST",route="other"}',
        'chiasm_inferences_total{model="bmd",outcome="ok",version="1.0.0"}',
        'chiasm_inferences_total{model="bmd",outcome="rejected_input",version="1.0.0"}',
        'chiasm_stage_duration_seconds_bucket{le="0.001",model="bmd",stage="infer"}',
        'chiasm_model_ready{model="bmd",version="1.0.0"} 1.0',
        'chiasm_queue_jobs{model="bmd",priority="stat",stage="decode"} 0.0',
        'chiasm_queue_jobs{model="bmd",priority="batch",stage="infer"} 0.0',
        'chiasm_predicted_wait_seconds{model="bmd",priority="routine"} 0.0', 'chiasm_bit_identical{mode="again",model="bmd"} 1.0',
        'chiasm_stage_duration_seconds_count{model="bmd",stage="receive"}',
        'chiasm_stage_duration_seconds_count{model="bmd",stage="render"}',
        "process_cpu_seconds_total",
    ):
        assert line in text
    assert CANARY not in text


@session
async def test_nothing_of_a_patient_is_logged_measured_or_told_in_errors(client):
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    logging.getLogger().addHandler(handler)
    logging.getLogger("chiasm").setLevel("DEBUG")
    canaries = {"sex": CANARY, "weight_kg": CANARY_ID}
    answers = [
        await client.post(f"/predict/bmd?note={CANARY}", files={"image": (CANARY, hip_dicom())}),
        await client.post("/predict/bmd", files={"image": (CANARY, hip_dicom())}, headers={"X-Note": CANARY, "Cookie": CANARY}),
        await client.post("/predict/bmd", files={"image": (CANARY, hip_dicom())}, data={"metadata": json.dumps(canaries)}),
        await client.post("/predict/bmd", files={"image": hip_dicom(PatientSex="ZZCANARY", StudyDescription=CANARY)}),
        await client.post("/predict/bmd", files={"image": hip_dicom(BodyPartExamined="CHEST", InstitutionName=CANARY)}),
        await client.post("/predict/bmd", files={"image": hip_dicom()[:-9]}),
        await client.post("/predict/bmd", files={CANARY: hip_dicom()}),
        await client.get(f"/models/{CANARY}"),
    ]
    logging.getLogger().removeHandler(handler)
    told = [stream.getvalue(), (await client.get("/metrics")).text, *(answer.text for answer in answers)]
    assert stream.getvalue().count('"event": "request"') == len(answers)
    assert not [text for text in told if "CANARY" in text]


@session
async def test_an_unexpected_error_is_a_problem_without_words_and_a_log_line_without_values(app, caplog):
    @app.get("/broken")
    async def broken() -> None:
        raise RuntimeError(CANARY)

    transport = httpx.ASGITransport(app)  # would raise what the application lets through
    async with httpx.AsyncClient(transport=transport, base_url="http://chiasm") as client:
        answer = await client.get("/broken")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert answer.headers["content-type"] == "application/problem+json"
    record = next(record for record in caplog.records if record.message == "unexpected error")
    assert record.kind == "RuntimeError"
    assert record.frames[-1].startswith("test_app.py:")
    assert CANARY not in answer.text + caplog.text


@session
async def test_a_caller_who_leaves_is_counted_and_not_answered(app):
    body = hip_dicom()
    messages = [{"type": "http.request", "body": body, "more_body": False}, {"type": "http.disconnect"}]
    sent = []

    async def receive():
        return messages.pop(0) if messages else await asyncio.sleep(60)

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http", "method": "POST", "path": "/predict/bmd", "raw_path": b"/predict/bmd", "query_string": b"", "root_path": "",
        "headers": [(b"content-type", b"application/dicom")], "http_version": "1.1", "scheme": "http",
    }
    await app(scope, receive, send)
    assert sent[0]["status"] == 499
    assert 'outcome="cancelled"' in app.state.serving.metrics.render().decode()


async def test_a_model_that_does_not_reproduce_its_golden_case_is_not_ready(own):
    build_artifact(own / "bmd", SPECS["bmd"], Study((Part(hip_png(), "image"),), dict(METADATA)), offset=0.01)
    async with running(artifacts=own) as (app, client):
        await app.state.proved.wait()
        answer = await client.get("/health/ready")
        assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
        assert answer.json()["detail"] == "bmd is failed"
        assert int(answer.headers["retry-after"]) >= 1
        predicted = await client.post("/predict/bmd", content=hip_dicom(), headers={"Content-Type": "application/dicom"})
        assert (predicted.status_code, predicted.json()["code"]) == (503, "not_ready")
        assert (await client.get("/health/live")).status_code == 200


@pytest.mark.parametrize("content", [None, b"not a zip"])
async def test_a_golden_case_that_cannot_be_read_is_not_ready(own, content):
    (own / "bmd" / "golden.npz").unlink()
    if content is not None:
        (own / "bmd" / "golden.npz").write_bytes(content)
    async with running(artifacts=own) as (app, client):
        await app.state.proved.wait()
        assert (await client.get("/health/ready")).status_code == 503


async def test_a_golden_case_of_other_tensors_is_not_ready(own):
    golden = Golden.load(own / "bmd" / "golden.npz")
    Golden(golden.study, {**golden.outputs, "other": np.zeros(1, np.float32)}).save(own / "bmd" / "golden.npz")
    async with running(artifacts=own) as (app, client):
        await app.state.proved.wait()
        assert (await client.get("/models/bmd")).json()["state"] == "failed"


async def test_draining_falls_out_of_readiness_and_still_answers(artifacts):
    async with running(artifacts=artifacts) as (app, client):
        await app.state.proved.wait()
        app.state.serving.draining = True
        answer = await client.get("/health/ready")
        assert (answer.status_code, answer.json()["code"]) == (503, "draining")
        predicted = await client.post("/predict/bmd", content=hip_dicom(), headers={"Content-Type": "application/dicom"})
        assert predicted.status_code == 200


async def test_more_bodies_than_the_memory_are_refused_with_a_time_to_come_back(artifacts):
    async with running(artifacts=artifacts, max_body_bytes_in_flight=1000) as (app, client):
        await app.state.proved.wait()
        for _ in range(2):
            answer = await client.post("/predict/bmd", content=hip_dicom(), headers={"Content-Type": "application/dicom"})
            assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (503, "overloaded", "2")
        small = await client.post("/predict/bmd", content=b"x" * 999, headers={"Content-Type": "application/dicom"})
        assert small.status_code == 415  # read and judged: the memory was given back


async def test_an_answer_that_takes_too_long_is_refused_with_a_time_to_come_back(artifacts):
    async with running(artifacts=artifacts, request_timeout_s=0.001) as (app, client):
        await app.state.proved.wait()
        answer = await client.post("/predict/bmd", content=hip_dicom(), headers={"Content-Type": "application/dicom"})
        assert (answer.status_code, answer.json()["code"]) == (503, "deadline_exceeded")
        assert "X-Deadline-Ms" in answer.json()["hint"]
        assert int(answer.headers["retry-after"]) >= 1


def test_an_artifact_of_another_declaration_is_refused_before_a_port_is_opened(own):
    other = SPECS["bmd"].model_copy(update={"version": "0.9.0"})
    build_artifact(own / "bmd", other, Study((Part(hip_png(), "image"),), dict(METADATA)))
    with pytest.raises(SpecMismatchError):
        create_app(Settings(artifacts=own, models=("bmd",)))


def test_a_second_session_is_of_the_same_network_or_not_opened(own):
    (artifact,) = open_artifacts(Settings(artifacts=own, models=("bmd",)))
    assert artifact.widened(2).func.digest == artifact.identity.digest
    build_artifact(own / "bmd", SPECS["bmd"], Study((Part(hip_png(), "image"),), dict(METADATA)), offset=0.01)
    with pytest.raises(ArtifactError, match="has changed"):
        artifact.widened(2)


def test_synthetic_artifacts_are_refused_where_clinical_ones_are_required(artifacts):
    with pytest.raises(NotClinicalError, match="synthetic phantoms"):
        create_app(Settings(artifacts=artifacts, models=("bmd",), require_clinical_artifacts=True))


def test_an_absent_artifact_or_model_is_refused(tmp_path, artifacts):
    with pytest.raises(ArtifactError, match="cannot be read"):
        create_app(Settings(artifacts=tmp_path, models=("bmd",)))
    with pytest.raises(ArtifactError, match="does not exist"):
        create_app(Settings(artifacts=artifacts, models=("lung",)))
