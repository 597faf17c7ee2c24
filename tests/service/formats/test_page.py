"""The page says what the prediction says, holds its pictures, asks nothing of any network, and executes nothing that a file says."""

from __future__ import annotations

import re
from dataclasses import replace

from models.prediction import Quality
from service.formats.page import render_html
from service.predictor import Identity
from tests.service.formats.test_overlay import SPEC, predicted

IDENTITY = Identity(SPEC, "sha256:" + "0f" * 32, "CPUExecutionProvider")


def page(prediction=None, identity=IDENTITY):
    return render_html(identity, prediction or predicted()).decode()


def test_numbers_verdicts_and_reservations_stand_on_it():
    prediction = predicted()
    told = page(prediction)
    bmd, t_score = prediction.measurements
    for text in (f"{bmd.value:.3f}", f"{bmd.interval.low:.3f} to {bmd.interval.high:.3f}", f"{t_score.value:+.1f}", "Osteoporosis", "BMD"):
        assert text in told
    failed = [check.detail for check in prediction.quality if not check.passed]
    assert failed
    assert all(detail.replace("'", "&#x27;") in told for detail in failed)
    assert prediction.reading.images[0].sha256 in told


def test_it_holds_its_pictures_and_loads_nothing():
    told = page()
    assert told.count("data:image/png;base64,") == 1
    assert not re.search(r"""(src|href)=["'](?!data:)|@import|url[(]|<script""", told)


def test_what_came_from_outside_cannot_become_markup():
    prediction = replace(predicted(), quality=(Quality("picture", passed=False, detail="<script>alert(1)</script>"),))
    told = page(prediction)
    assert "<script" not in told
    assert "&lt;script&gt;" in told


def test_a_phantoms_answer_is_not_for_clinical_use_and_a_clinical_one_does_not_say_so():
    clinical = SPEC.with_measured(SPEC.measured.model_copy(update={"training_data": "a cohort"}))
    assert "Not for clinical use" in page()
    assert "Not for clinical use" not in page(identity=replace(IDENTITY, spec=clinical))


def test_a_finding_that_nobody_should_act_on_says_why():
    prediction = predicted()
    reserved = tuple(replace(finding, reservation="not shown") for finding in prediction.findings)
    told = page(replace(prediction, findings=reserved))
    assert told.count("unproven</td>") == len(reserved)
    assert "not shown" in told


def test_the_same_prediction_is_the_same_page():
    prediction = predicted()
    assert page(prediction) == page(prediction)
