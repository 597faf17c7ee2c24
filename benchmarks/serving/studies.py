"""What is sent: one picture of each model in four forms, as a multipart form, and the answer that must come back."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from benchmarks import form
from benchmarks.payloads import SIZES
from benchmarks.peers.study import Network
from models import SPECS
from models.classification import class_findings
from tests.models.decode.synthetic import J2K, compressed, dicom

ROOT = Path(__file__).resolve().parents[2]
MG = "1.2.840.10008.5.1.4.1.1.1.2"
SIZE = {"bmd": SIZES["2140 x 1760"], "breast": SIZES["4096 x 3328"]}  # a hip radiograph; what a detector for mammography delivers
BITS = 12
NOISE = 0.003  # of the range: lossless J2K then takes what it takes of a real film, some 6 bits a pixel
WINDOW = {"WindowCenter": str(1 << (BITS - 1)), "WindowWidth": str(1 << BITS)}
HEADER: dict[str, dict[str, str]] = {
    "bmd": {"Modality": "DX", "BodyPartExamined": "HIP", "ViewPosition": "AP", "ImageLaterality": "R", "PatientSex": "F", **WINDOW},
    "breast": {"Modality": "MG", "BodyPartExamined": "BREAST", "SOPClassUID": MG, **WINDOW},
}
Pixels = NDArray[np.uint16]
SMALL = "small PNG"


@dataclass(frozen=True)
class Sent:
    """One request body, and what is right to answer.

    Attributes
    ----------
    image, body
        Where the file, and the whole body, lie on disk.
    expected
        The network's first output, as every peer returns it.
    ours
        The same as the service returns it: the shortest decimal of the estimate, calibrated probabilities.
    digest
        Of the file and of the network.
    """

    model: str
    payload: str
    image: Path
    body: Path
    metadata: str
    expected: tuple[float, ...]
    ours: tuple[float, ...]
    digest: str


def picture(model: str) -> Pixels:
    """The example of a model, as large as films come, with the noise of a detector: 12 bits."""
    rows, columns = SIZE[model]
    with PillowImage.open(ROOT / "examples" / model / "image.png") as small:
        large = small.convert("F").resize((columns, rows), PillowImage.Resampling.BICUBIC)
    shown = np.asarray(large) / np.max(large)
    noise = np.random.default_rng(0).normal(0, NOISE, shown.shape)
    return np.round(np.clip(shown + noise * (shown > 0), 0, 1) * ((1 << BITS) - 1)).astype(np.uint16)


def eight_bits(pixels: Pixels) -> NDArray[np.uint8]:
    """The upper eight."""
    return (pixels >> (BITS - 8)).astype(np.uint8)


def png(pixels: NDArray[np.generic]) -> bytes:
    """As many bits as the array has."""
    out = io.BytesIO()
    PillowImage.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def _small(model: str, pixels: Pixels) -> bytes:
    """As large as the network's input."""
    _, rows, columns = SPECS[model].images[0].shape
    shown = PillowImage.fromarray(eight_bits(pixels)).resize((columns, rows), PillowImage.Resampling.BOX)
    return png(np.asarray(shown))


PAYLOADS: dict[str, Callable[[str, Pixels], bytes]] = {
    SMALL: _small,
    "full PNG": lambda _, pixels: png(eight_bits(pixels)),
    "DICOM": lambda model, pixels: dicom(pixels, bits=BITS, **HEADER[model]),
    "DICOM J2K": lambda model, pixels: compressed(pixels, J2K, bits=BITS, **HEADER[model]),
}


def studies(model: str, payloads: list[str], artifact: Path, folder: Path) -> list[Sent]:
    """Make the files of a model, and evaluate each once with the network alone."""
    folder.mkdir(parents=True, exist_ok=True)
    pixels, network = picture(model), Network(artifact)
    metadata = (ROOT / "examples" / model / "metadata.json").read_text()
    made = [_made(model, payload, PAYLOADS[payload](model, pixels), metadata, network, folder) for payload in payloads]
    graph = hashlib.sha256((artifact / "model.onnx").read_bytes()).hexdigest()[:12]
    return [replace(each, digest=f"{each.digest} {graph}") for each in made]


def _made(model: str, payload: str, data: bytes, metadata: str, network: Network, folder: Path) -> Sent:
    image, body = (folder / f"{model}-{payload.replace(' ', '-')}.{kind}" for kind in ("image", "body"))
    image.write_bytes(data)
    body.write_bytes(form.body([("image", "image", data), ("metadata", "", metadata.encode())]))
    output = network.run(network.read(data, json.loads(metadata)))
    expected = tuple(float(each) for each in output)
    return Sent(model, payload, image, body, metadata, expected, ours(network, output), hashlib.sha256(data).hexdigest()[:12])


def ours(network: Network, output: NDArray[np.float32]) -> tuple[float, ...]:
    """What the service makes of the first output, to the last bit."""
    spec = network.spec
    if spec.regressions:
        return (float(str(output[0])),)
    part = spec.classifications[0]
    return tuple(finding.probability for finding in class_findings(part, {part.tensor: output}, spec.measured))
