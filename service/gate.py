"""The gate as the service runs it: every picture is looked at before the model that was asked sees it."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from models.errors import Detail, UnsuitableImageError
from models.gate import GATE, GateSpec, Part, expected_part, judge
from models.prediction import Quality, Reading, Tensors, UsedImage, named
from models.spec import ModelSpec
from service.engine.batch import Inference
from service.engine.runtime import Runtime
from service.errors import ArtifactError, GoldenMismatchError, SpecMismatchError
from service.waiting.urgency import WHENEVER, Urgency

TOLERANCE = 1e-3
STAGE = "gate"
HINT = "If this is the right picture, send it upright and as it was taken, or as DICOM with its body part in the header."


class Gate:
    """Refuses a reading whose picture clearly shows something else than the model reads.

    Parameters
    ----------
    infer
        Thumbnail without a batch axis to probabilities without a batch axis.
    on_refusal
        Told the model and what was seen, to be counted.
    """

    def __init__(self, infer: Callable[[Tensors, Urgency], Awaitable[Inference]], on_refusal: Callable[[str, str], None]) -> None:
        self._infer = infer
        self._on_refusal = on_refusal

    async def __call__(self, spec: ModelSpec, reading: Reading, urgency: Urgency = WHENEVER) -> Reading:
        """The reading, with a check for each picture; UnsuitableImageError where one must not reach the model."""
        started = time.perf_counter()
        expected = {image.name: expected_part(image.body_parts) for image in spec.images}
        looked_at = [(image, part) for image in reading.images if (part := expected.get(image.input))]
        checks = [await self._look(spec, image, part, reading, urgency) for image, part in looked_at]
        timing_ms = {**reading.timing_ms, STAGE: 1000 * (time.perf_counter() - started)}
        return replace(reading, quality=(*reading.quality, *checks), timing_ms=timing_ms)

    async def _look(self, spec: ModelSpec, image: UsedImage, expected: Part, reading: Reading, urgency: Urgency) -> Quality:
        thumbnail = reading.thumbnails[image.input]
        seen = (await self._infer({GATE.thumbnail: thumbnail}, urgency)).outputs
        stated = expected_part((image.body_part,)) == expected
        verdict = judge(expected, seen[GATE.part], seen[GATE.orientation], thumbnail, stated=stated)
        if verdict.refusal:
            self._on_refusal(spec.name, GATE.parts[int(np.argmax(seen[GATE.part]))])
            details = (Detail(f"/images/{image.input}", f"the picture {verdict.seen}"),)
            raise UnsuitableImageError(f"No image fits the input {image.input}: {verdict.refusal}.", hint=HINT, details=details)
        check = Quality("picture", passed=verdict.confirmed, detail=f"the picture {verdict.seen}")
        return named(image.input, check, alone=len(reading.images) == 1)


def open_gate(folder: Path) -> Runtime:
    """Load the gate, which must have been exported from this declaration and must reproduce its golden answers.

    Raises ArtifactError, SpecMismatchError, GoldenMismatchError.
    """
    runtime = Runtime(folder / "model.onnx")
    try:
        exported = GateSpec.model_validate_json(runtime.metadata["spec"])
        with np.load(folder / "golden.npz", allow_pickle=False) as golden:
            thumbnails = golden[GATE.thumbnail].astype(np.float32)
            expected = {name: golden[name] for name in (GATE.part, GATE.orientation)}
    except (KeyError, ValueError, OSError) as error:
        raise ArtifactError("the gate carries no readable spec or golden case") from error
    if exported.digest() != GATE.digest():
        raise SpecMismatchError(f"gate: exported {exported.digest()[:15]}, declared {GATE.digest()[:15]}")
    answers = runtime({GATE.thumbnail: thumbnails})
    drift = max(float(np.abs(answers[name] - expected[name]).max()) for name in expected)
    if not drift <= TOLERANCE:
        raise GoldenMismatchError(f"gate: golden case differs by {drift:.1e}, more than {TOLERANCE:.0e}")
    return runtime
