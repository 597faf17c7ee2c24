"""Tensors -> Prediction: measurements with intervals, findings with thresholds, attention with its geometry."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from models.classification import UNPROVEN, class_findings, class_set
from models.prediction import (
    AttentionMap,
    ClassSet,
    FieldWeight,
    Finding,
    InvalidOutputError,
    Measurement,
    Prediction,
    Quality,
    Reading,
    Region,
    Tensors,
)
from models.regression import regression_answer
from models.spec import ModelSpec

SYNTHETIC = "synthetic phantoms"


def postprocess(spec: ModelSpec, outputs: Tensors, reading: Reading) -> Prediction:
    """Outputs without a batch axis -> Prediction.

    Raises
    ------
    InvalidOutputError
        An output is not finite or outside its plausible range: an error, never an answer.
    """
    for name, output in outputs.items():
        if not np.isfinite(output).all():
            raise InvalidOutputError(f"output {name} is not finite")
    measurements: list[Measurement] = []
    findings: list[Finding] = []
    quality = [*reading.quality, _training_data(spec)]
    for regression in spec.regressions:
        measured, found, checks = regression_answer(spec, regression, outputs, reading)
        measurements += measured
        findings += found
        quality += checks
    for classification in spec.classifications:
        findings += class_findings(classification, outputs, spec.measured)
    sets = tuple(some for part in spec.classifications if (some := class_set(part, findings, spec.measured)))
    quality += [*_evidence(spec), *map(_told_apart, sets)]
    return Prediction(
        measurements=tuple(measurements),
        findings=tuple(findings),
        metadata_attention=tuple(_field_weights(spec, outputs, reading)),
        image_attention=tuple(_attention_maps(spec, outputs, reading)),
        regions=tuple(_regions(spec, outputs)),
        prediction_sets=sets,
        reading=reading,
        quality=tuple(quality),
        timing_ms=dict(reading.timing_ms),
    )


def _training_data(spec: ModelSpec) -> Quality:
    trained_on = spec.measured.training_data if spec.measured else "nothing"
    clinical = trained_on != SYNTHETIC
    detail = f"trained on {trained_on}" + ("" if clinical else ": not for clinical use")
    return Quality("training_data", clinical, detail)


def _evidence(spec: ModelSpec) -> Iterator[Quality]:
    if spec.measured and spec.measured.unproven:
        yield Quality("evidence", passed=False, detail=f"{', '.join(spec.measured.unproven)}: {UNPROVEN}")


def _told_apart(found: ClassSet) -> Quality:
    alone = len(found.findings) == 1
    said = "one class is left" if alone else "these are not told apart"
    return Quality("prediction_set", alone, f"with {found.level:.0%} confidence {said}: {', '.join(found.findings)}")


def _field_weights(spec: ModelSpec, outputs: Tensors, reading: Reading) -> Iterator[FieldWeight]:
    if spec.metadata_attention is None:
        return
    weights = _distribution(spec.metadata_attention.tensor, outputs)
    for field, weight in zip(spec.table.network_fields, weights.tolist(), strict=True):
        if reading.metadata[field.name].source != "missing":
            yield FieldWeight(field.name, weight)


def _attention_maps(spec: ModelSpec, outputs: Tensors, reading: Reading) -> Iterator[AttentionMap]:
    geometries = {image.input: image.geometry for image in reading.images}
    for part in spec.image_attention:
        values = _distribution(part.tensor, outputs)
        rows = tuple(tuple(row) for row in values.tolist())
        yield AttentionMap(part.input, part.rows, part.columns, rows, geometries[part.input])


def _regions(spec: ModelSpec, outputs: Tensors) -> Iterator[Region]:
    for part in spec.regions:
        for name, box in zip(part.names, outputs[part.tensor].clip(0, 1).tolist(), strict=True):
            yield Region(part.input, name, *box)


def _distribution(name: str, outputs: Tensors) -> NDArray[np.float32]:
    weights = outputs[name]
    if weights.min() < 0 or abs(float(weights.sum()) - 1) > 1e-3:
        raise InvalidOutputError(f"output {name} is not a distribution")
    return weights
