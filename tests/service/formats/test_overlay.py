import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from models import SPECS
from models.decode import Limits
from models.postprocess import postprocess
from models.prediction import AttentionMap, Explanation, Prediction, Share
from models.spec import ModelSpec
from models.study import Part, Study, read_study
from service.formats import overlay
from service.formats.sheet import Sheet, percent, words
from tests.service.artifact import measured
from tests.service.studies import METADATA, hip_dicom

DECLARED = SPECS["bmd"]
SPEC = DECLARED.with_measured(measured(DECLARED))


def predicted(spec: ModelSpec = SPEC, cell: tuple[int, int] = (1, 5)) -> Prediction:
    """An answer whose image attention lies in one cell."""
    reading = read_study(spec, Study((Part(hip_dicom()),), dict(METADATA)), Limits())
    attention = np.zeros((7, 7), np.float32)
    attention[cell] = 1
    weights = reading.tensors["present"] / reading.tensors["present"].sum()
    return postprocess(spec, {"bmd": np.float32([0.7]), "metadata_attention": weights, "image_attention": attention}, reading)


def picture(spec: ModelSpec, prediction: Prediction) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(overlay.render_png(spec, prediction))).convert("RGB"), np.int16)


def test_the_networks_own_view_is_what_preprocessing_made():
    prediction = predicted()
    grey = overlay.seen(SPEC.images[0], prediction.reading.tensors)
    assert (grey.shape, grey.dtype) == ((224, 224), np.uint8)
    assert grey.min() < 5
    assert grey.max() > 250


def test_attention_is_laid_where_it_was_paid_and_leaves_the_rest_alone():
    flat, paid = predicted(), predicted()
    nothing = replace(flat, image_attention=())
    view = overlay.VIEW
    with_attention = np.asarray(overlay._view(SPEC.images[0], paid), np.int16)[:view]
    without = np.asarray(overlay._view(SPEC.images[0], nothing), np.int16)[:view]
    changed = np.abs(with_attention - without).sum(axis=-1)
    cell = view // 7
    inside = changed[1 * cell : 2 * cell, 5 * cell : 6 * cell]
    assert inside.mean() > 100
    assert changed[4 * cell :].max() == 0


def test_more_attention_looks_lighter():
    colours = overlay.colours(np.linspace(0, 1, 100, dtype=np.float32))
    lightness = colours @ np.float32([0.2126, 0.7152, 0.0722])
    assert (np.diff(lightness) > 0).all()


def test_synthetic_answers_say_so_and_clinical_ones_do_not():
    clinical = DECLARED.with_measured(measured(DECLARED, "a hospital's own hips"))
    warned, plain = (yellow(picture(spec, predicted(spec))) for spec in (SPEC, clinical))
    assert warned > 500
    assert plain == 0


def yellow(pixels: np.ndarray) -> int:
    """Pixels in the colour of the warning, right of the image."""
    return int((np.abs(pixels[:, overlay.VIEW + 60 :] - (255, 205, 70)).sum(axis=-1) < 20).sum())




@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("age_at_xray_years", "Age at X-ray (years)"), ("physical_activity_min_per_day", "Physical activity (min/d)"), ("bmi", "BMI"),
        ("femoral_neck_bmd", "Femoral neck BMD"), ("t_score", "T-score"), ("weight_kg", "Weight (kg)"), ("no_finding", "No finding"),
    ],
)
def test_names_are_said_as_one_says_them(name, said):
    assert words(name) == said


@pytest.mark.parametrize(("part", "said"), [(0.0, "0 %"), (0.004, "< 1 %"), (0.5, "50 %"), (0.996, "> 99 %"), (1.0, "100 %")])
def test_a_probability_is_never_rounded_to_certainty(part, said):
    assert percent(part) == said


def test_what_does_not_fit_is_cut_and_not_drawn_over():
    sheet = Sheet(300, 60)
    for _ in range(10):
        sheet.note("a line")
    assert sheet.image.height == 60


def test_explanations_are_drawn_beside_the_image():
    answer = predicted()
    heat = AttentionMap("image", 1, 2, ((0.25, 0.75),), answer.image_attention[0].geometry)
    explained = {
        "gradcam": (Explanation("femoral_neck_bmd", 0.8, (heat,)),),
        "shapley": (Explanation("femoral_neck_bmd", 0.8, shares=(Share("weight_kg", -0.2),), baseline=1.0),),
    }
    plain, rich = (picture(SPEC, each) for each in (answer, replace(answer, explanations=explained)))
    assert rich.shape[1] > plain.shape[1] + 600
    assert rich.shape[0] >= plain.shape[0]
