"""The gate before every model: whether a picture shows the body part at all, the right way up, and holds enough to see.

One small network for the whole service names the body part and the orientation of a thumbnail. It refuses on positive evidence
only: it has seen few hips of real patients, and a hip that looks strange to it must still pass.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from models.spec import Frozen, Intensity

Part = Literal["hip", "chest", "breast", "crop", "head", "none"]
Thumbnail = NDArray[np.float32]
Probabilities = NDArray[np.float32]


class GateSpec(Frozen):
    """What the gate's network reads and answers, and when a picture is refused. Thresholds come from validation pictures."""

    name: str = "gate"
    version: str = "1.2.0"
    intended_use: str = (
        "Refuses pictures that clearly show another body part than a model reads, or that are turned, blank or saturated. Passing it "
        "is no proof that a picture is suitable."
    )
    size: int = 96  # sides of the thumbnail: the whole picture, padded to a square, between two percentiles
    intensity: Intensity = Intensity(apply_voi=True, low_percentile=1.0, high_percentile=99.0)
    parts: tuple[Part, ...] = ("hip", "chest", "breast", "crop", "head", "none")
    degrees: tuple[int, ...] = (0, 90, 180, 270)  # by which the picture is turned counter-clockwise
    thumbnail: str = "thumbnail"  # tensor (B, 1, size, size) in [0, 1]
    part: str = "part"  # tensor (B, 6): probabilities
    orientation: str = "orientation"  # tensor (B, 4): probabilities, without meaning for breasts and none
    upright_parts: tuple[Part, ...] = ("hip", "chest")  # whose orientation can be told, and is checked
    # From this probability of everything but the expected part together, a picture is refused; chosen on validation pictures.
    other_part: dict[Part, float] = Field({"hip": 0.90, "chest": 0.90, "crop": 0.70, "head": 0.80})
    other_part_stated: float = 0.95  # of the other known parts together, where the header states the expected one
    turned: float = 0.60  # from this probability of one other orientation
    flat: float = 0.80  # share of the picture in one grey level from which there is not enough to see; a breast may have more
    flat_breast: float = 0.97
    training_data: str = ""  # stamped in by export, outside the digest

    def digest(self) -> str:
        """Fingerprint of the declaration: ``sha256:<hex>``."""
        return "sha256:" + hashlib.sha256(self.model_dump_json(exclude={"training_data"}).encode()).hexdigest()


GATE = GateSpec()
# Body Part Examined of a model's image input -> what the gate must see.
EXPECTED: dict[str, Part] = {"HIP": "hip", "PELVIS": "hip", "CHEST": "chest", "BREAST": "crop", "HEAD": "head", "BRAIN": "head"}
# What else passes, unconfirmed: a whole mammogram is of the right part, and not the crop of a lesion that the model reads.
PASSING: dict[Part, tuple[Part, ...]] = {"crop": ("crop", "breast")}
NAMES = {
    "hip": "a hip", "chest": "a chest", "breast": "a whole breast", "crop": "a piece of a breast", "head": "a head",
    "none": "none of the body parts that it knows",
}  # fmt: skip
GREY_LEVELS = 32


@dataclass(frozen=True)
class Verdict:
    """What the gate says of one picture: the reason to refuse it, empty where it passes, and what it saw."""

    refusal: str
    seen: str
    confirmed: bool  # the expected part is the likeliest


def expected_part(body_parts: tuple[str, ...]) -> Part | None:
    """What an image input should show; None where the gate knows none of its body parts."""
    return next((EXPECTED[name] for name in body_parts if name in EXPECTED), None)


def judge(expected: Part, part: Probabilities, orientation: Probabilities, thumbnail: Thumbnail, *, stated: bool) -> Verdict:
    """Pass or refuse a picture.

    Parameters
    ----------
    expected
        The body part that the model reads.
    part, orientation
        The network's probabilities, (6,) and (4,).
    thumbnail
        (1, size, size): how much of it has one grey level is measured here.
    stated
        The header states the expected part. Then only another known part speaks against it: a hip that looks like nothing the gate
        has seen is a hip that the gate has not seen.
    """
    seen = GATE.parts[int(np.argmax(part))]
    told = f"looks like {NAMES[seen]} ({part.max():.2f})"
    if seen != expected:
        told += f", less like {NAMES[expected]} ({part[GATE.parts.index(expected)]:.2f})"
    return Verdict(_refusal(expected, part, orientation, thumbnail, stated=stated), told, seen == expected)


def passing(expected: Part) -> tuple[Part, ...]:
    """The parts that are not refused where one is expected."""
    return PASSING.get(expected, (expected,))


def flat_share(thumbnail: Thumbnail) -> float:
    """The share of the picture that has the most frequent of 32 grey levels: collimation, background or saturation."""
    counts = np.bincount(np.minimum((thumbnail * GREY_LEVELS).astype(np.int64).ravel(), GREY_LEVELS - 1))
    return float(counts.max() / thumbnail.size)


def _likelihood(expected: Part, part: Probabilities) -> float:
    return float(sum(part[GATE.parts.index(name)] for name in passing(expected)))


def _refusal(expected: Part, part: Probabilities, orientation: Probabilities, thumbnail: Thumbnail, *, stated: bool) -> str:
    likelihood = _likelihood(expected, part)
    unknown = float(part[GATE.parts.index("none")])
    if flat_share(thumbnail) > (GATE.flat_breast if expected == "crop" else GATE.flat):
        return "almost all of the picture has one grey level: mostly collimation, background or saturation"
    if (1 - likelihood - unknown > GATE.other_part_stated) if stated else (1 - likelihood > GATE.other_part[expected]):
        seen = max((probability, name) for name, probability in zip(GATE.parts, part, strict=True) if name not in passing(expected))[1]
        return f"the picture looks like {NAMES[seen]}, not like {NAMES[expected]}"
    turned = int(np.argmax(orientation))
    if expected in GATE.upright_parts and turned and orientation[turned] > GATE.turned and likelihood > 0.5:
        return f"the picture is turned by {GATE.degrees[turned]} degrees"
    return ""
