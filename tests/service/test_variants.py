"""Faster variants of an artifact: served where they are certified and asked for, and named in every answer."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import onnx
import pytest

from service.app import create_app
from service.errors import ArtifactError
from service.settings import Settings, SettingsError
from tests.service.studies import hip_dicom
from tests.service.test_app import running


@pytest.fixture
def own(artifacts: Path, tmp_path: Path) -> Path:
    """Artifacts with a certified int8 beside float32; both are the same graph here."""
    folder = Path(shutil.copytree(artifacts, tmp_path / "artifacts"))
    shutil.copy(folder / "bmd" / "golden.npz", folder / "bmd" / "int8.npz")
    say(folder, {"kind": "int8", "certified": True, "reasons": []})
    return folder


def say(folder: Path, variant: object) -> None:
    model = onnx.load(folder / "bmd" / "model.onnx")
    properties = {entry.key: entry.value for entry in model.metadata_props}
    onnx.helper.set_model_props(model, properties | {"variant": json.dumps(variant)})
    onnx.save(model, folder / "bmd" / "int8.onnx")


async def test_a_certified_variant_answers_and_is_named(own):
    async with running(artifacts=own, variants={"bmd": "int8"}) as (app, client):
        await app.state.proved.wait()
        answer = await client.post("/predict/bmd", content=hip_dicom(), headers={"Content-Type": "application/dicom"})
        assert answer.json()["model"]["variant"] == "int8"
        assert (await client.get("/models/bmd")).json()["variant"] == "int8"


async def test_without_the_setting_float32_answers(own):
    async with running(artifacts=own) as (app, client):
        await app.state.proved.wait()
        answer = await client.post("/predict/bmd", content=hip_dicom(), headers={"Content-Type": "application/dicom"})
        assert answer.json()["model"]["variant"] == "fp32"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"kind": "int8", "certified": False, "reasons": ["R2 differs by 0.1"]}, "R2 differs by 0.1"),
        ({"kind": "fp16", "certified": True, "reasons": []}, "it is another one"),
        ({"kind": "int8", "certified": "yes", "reasons": []}, "not certified"),
        ({"kind": "int8"}, "does not say"),
        (["int8"], "does not say"),
    ],
)
def test_what_is_not_certified_is_refused_with_the_reason(own, said, told):
    say(own, said)
    with pytest.raises(ArtifactError, match=told):
        create_app(Settings(artifacts=own, models=("bmd",), variants={"bmd": "int8"}))


def test_a_variant_for_another_provider_or_of_a_model_that_is_not_served_is_refused(own):
    with pytest.raises(ArtifactError, match="for the provider cuda"):
        create_app(Settings(artifacts=own, models=("bmd",), variants={"bmd": "fp16"}))
    with pytest.raises(ArtifactError, match="chest, which is not served"):
        create_app(Settings(artifacts=own, models=("bmd",), variants={"chest": "int8"}))


def test_variants_are_set_as_pairs():
    assert Settings.load({}, variants="bmd=int8, chest = fp16").variants == {"bmd": "int8", "chest": "fp16"}
    with pytest.raises(SettingsError, match="CHIASM_VARIANTS"):
        Settings.load({}, variants="bmd=int4")
