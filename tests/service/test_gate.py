"""The gate that is shipped, before the model that is shipped: what gets an answer and what does not."""

import asyncio
import io
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image as Picture

from models import SPECS
from models.decode import Limits
from models.errors import UnsuitableImageError
from models.study import Part, Study, read_study
from service.engine.scheduler import Scheduler
from service.errors import ArtifactError, GoldenMismatchError, SpecMismatchError
from service.gate import Gate, open_gate
from tests.models.decode.real import DATA, needs_data
from tests.models.examples import EXAMPLE, EXAMPLE_METADATA, EXAMPLE_PNG
from training.phantoms.bmd.patient import render
from training.phantoms.breast.film import film as crop_of
from training.phantoms.breast.lesion import draw as draw_lesion
from training.phantoms.chest.film import film as chest_of
from training.phantoms.chest.patient import draw as draw_patient

ARTIFACT = Path(__file__).resolve().parents[2] / "artifacts" / "gate"
SPEC = SPECS["bmd"]
refused: list[tuple[str, str]] = []


def looked_at(*files, spec=SPEC, metadata=EXAMPLE_METADATA):
    """The reading that the gate lets through, for each file as an own study."""

    async def look():
        async with Scheduler(1, max_queue_size=999) as scheduler:
            gate = Gate(scheduler.open("gate", open_gate(ARTIFACT)), lambda *what: refused.append(what))
            readings = [read_study(spec, Study((Part(data),), dict(metadata)), Limits()) for data in files]
            return await asyncio.gather(*(gate(spec, reading) for reading in readings), return_exceptions=True)

    return asyncio.run(look())


def png(pixels):
    stream = io.BytesIO()
    Picture.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def as_png(path):
    """A real film without its header, large enough for the model."""
    with Picture.open(path) as picture:
        return png(np.asarray(picture.convert("L")))


def share_refused(files, **asked):
    return np.mean([isinstance(result, UnsuitableImageError) for result in looked_at(*files, **asked)])


def test_the_example_passes_with_and_without_its_header():
    for reading in looked_at(EXAMPLE, EXAMPLE_PNG):
        (check,) = [each for each in reading.quality if each.check == "picture"]
        assert check.passed
        assert "hip" in check.detail
        assert reading.timing_ms["gate"] > 0


def test_phantom_hips_that_the_gate_has_not_seen_pass():
    films = [render(990_001, index, 256).film for index in range(60)]
    shown = [4095 - film.pixels if film.photometric_interpretation == "MONOCHROME1" else film.pixels for film in films]
    assert share_refused([png((pixels >> 4).astype(np.uint8)) for pixels in shown]) <= 0.02


def test_lesion_crops_and_chests_without_a_header_pass_where_their_model_asks_and_are_no_hips():
    crops = [png((255 * crop_of(draw_lesion(990_001, index), 256)[0]).astype(np.uint8)) for index in range(60)]
    chests = [png((255 * chest_of(draw_patient(990_001, index), 256)[0]).astype(np.uint8)) for index in range(40)]
    assert share_refused(crops, spec=SPECS["breast"], metadata={}) <= 0.02
    assert share_refused(chests, spec=SPECS["chest"], metadata={}) <= 0.02
    assert share_refused(crops + chests) >= 0.98


@pytest.mark.parametrize("name", ["noise", "gradient", "checks", "disc"])
def test_what_is_no_picture_of_a_body_is_refused_with_the_reason(name):
    y, x = np.mgrid[0:300, 0:260]
    pixels = {
        "noise": np.random.default_rng(0).integers(0, 256, (300, 260)), "gradient": x * 255 // 259,
        "checks": ((x // 20 + y // 20) % 2) * 200, "disc": (np.hypot(y - 150, x - 130) < 60) * 250,
    }[name]  # fmt: skip
    (result,) = looked_at(png(pixels.astype(np.uint8)))
    assert isinstance(result, UnsuitableImageError)
    assert "picture" in str(result)
    assert refused[-1][0] == "bmd"


def test_a_hip_on_its_side_is_refused():
    pixels = np.asarray(Picture.open(io.BytesIO(EXAMPLE_PNG)))
    results = looked_at(*(png(np.rot90(pixels, quarters)) for quarters in (1, 3)))
    assert all("turned" in str(result) for result in results)


@needs_data
@pytest.mark.parametrize(("folder", "allowed"), [("chest_xray/hannover_512", 0.02), ("mammography/cdd_cesm/images", 0.05)])
def test_real_films_of_other_body_parts_are_refused_as_hips(folder, allowed):
    files = [as_png(path) for path in sorted((DATA / folder).glob("*.jpg"))]
    assert len(files) > 30
    assert 1 - share_refused(files) <= allowed


@needs_data
@pytest.mark.parametrize(("model", "folder"), [("chest", "chest_xray/hannover_512"), ("breast", "mammography/cdd_cesm/images")])
def test_real_films_pass_where_their_model_asks(model, folder):
    files = [as_png(path) for path in sorted((DATA / folder).glob("*.jpg"))]
    assert share_refused(files, spec=SPECS[model], metadata={}) <= 0.03


@needs_data
def test_a_whole_mammogram_is_answered_with_the_reservation_that_it_is_no_crop():
    files = [as_png(path) for path in sorted((DATA / "mammography/cdd_cesm/images").glob("*.jpg"))]
    readings = [result for result in looked_at(*files, spec=SPECS["breast"], metadata={}) if not isinstance(result, UnsuitableImageError)]
    confirmed = [check.passed for reading in readings for check in reading.quality if check.check == "picture"]
    assert np.mean(confirmed) <= 0.05


def spoiled(folder, change):
    shutil.copytree(ARTIFACT, folder)
    model = onnx.load(folder / "model.onnx")
    change(model)
    onnx.save(model, folder / "model.onnx")
    return folder


def test_a_gate_of_another_declaration_or_with_other_answers_does_not_open(tmp_path):
    def restamp(model):
        model.metadata_props[0].value = model.metadata_props[0].value.replace('"size":96', '"size":97')

    def shift(model):
        weight = max(model.graph.initializer, key=lambda each: len(each.raw_data))
        weight.raw_data = (np.frombuffer(weight.raw_data, np.float32) * 1.5).astype(np.float32).tobytes()

    with pytest.raises(SpecMismatchError):
        open_gate(spoiled(tmp_path / "a", restamp))
    with pytest.raises(GoldenMismatchError):
        open_gate(spoiled(tmp_path / "b", shift))
    with pytest.raises(ArtifactError):
        open_gate(spoiled(tmp_path / "c", lambda model: model.metadata_props.pop()))
