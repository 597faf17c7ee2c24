"""The example study of the repository: one phantom as a DICOM, as a PNG, and the metadata that its header states."""

from __future__ import annotations

import io
import itertools
import json
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage

from models.decode import Limits, decode, read_header
from training.phantoms.bmd.dicom import encode
from training.phantoms.bmd.patient import Phantom, draw, render

ROWS = 768
PNG_ROWS = 384  # an 8-bit picture for the web, as people export them: small enough to stand in the documentation
STATED = ("height_cm", "weight_kg", "sex")


def write_example(folder: Path, seed: int) -> None:
    """Write image.dcm, image.png and metadata.json.

    The metadata repeats what the DICOM header states, so that the same study answers the same through every request form,
    those without a place for metadata included.
    """
    folder.mkdir(parents=True, exist_ok=True)
    phantom = _suitable(seed)
    data = encode(phantom)
    (folder / "image.dcm").write_bytes(data)
    (folder / "image.png").write_bytes(_png(data))
    header = read_header(data, Limits())
    stated = {"age_at_xray_years": header.patient.age_years, **{name: getattr(header.patient, name) for name in STATED}}
    stated |= {"laterality": header.laterality}
    (folder / "metadata.json").write_text(json.dumps(stated, indent=2) + "\n")


def _suitable(seed: int) -> Phantom:
    """The first right hip of the seed with low bone mass and nothing missing: right, so that mirroring is exercised."""
    for index in itertools.count():
        person = draw(seed, index)
        if person.side == "right" and 0.70 < person.bmd < 0.85 and 60 < person.weight_kg < 80:  # g/cm2: T between -2.4 and -1.4
            phantom = render(seed, index, ROWS)
            if {"height_cm", "weight_kg"} <= set(phantom.fields) and read_header(encode(phantom), Limits()).body_part == "HIP":
                return phantom
    raise AssertionError  # the count has no end: this is never reached


def _png(data: bytes) -> bytes:
    limits = Limits()
    pixels = decode(data, read_header(data, limits), limits, apply_voi=True).pixels
    picture = PillowImage.fromarray((255 * pixels).round().astype(np.uint8))
    smaller = picture.resize((round(picture.width * PNG_ROWS / picture.height), PNG_ROWS), PillowImage.Resampling.LANCZOS)
    stream = io.BytesIO()
    smaller.save(stream, "PNG", optimize=True)
    return stream.getvalue()
