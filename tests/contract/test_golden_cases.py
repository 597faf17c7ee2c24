"""The golden case of every reference artifact notices a preprocessing that is not the one it was exported with."""

import numpy as np
import pytest

from models import SPECS
from models.decode import Limits
from models.golden import Golden
from models.study import Study, read_study
from tests.contract.conftest import ROOT
from training.graphs import artifact_spec, run_onnx

CHANGED = {
    "upside-down": lambda image: np.flip(image, axis=-2),
    "mirrored": lambda image: np.flip(image, axis=-1),
    "shifted": lambda image: np.roll(image, 4, axis=-1),
    "brighter": lambda image: 1.05 * image,
    "inverted": lambda image: -image,
}


def drift(model, tensors):
    folder = ROOT / "artifacts" / model
    outputs = run_onnx(folder / "model.onnx", {name: np.ascontiguousarray(tensor)[np.newaxis] for name, tensor in tensors.items()})
    golden = Golden.load(folder / "golden.npz")
    return golden.drift({name: output[0] for name, output in outputs.items()}) / golden.tolerance


def tensors_of(model, metadata=None):
    study = Golden.load(ROOT / "artifacts" / model / "golden.npz").study
    spec = artifact_spec(ROOT / "artifacts" / model / "model.onnx")
    return read_study(spec, Study(study.parts, {**study.metadata, **(metadata or {})}), Limits()).tensors


@pytest.mark.parametrize("change", CHANGED)
@pytest.mark.parametrize(("model", "image"), [(name, image.name) for name, spec in SPECS.items() for image in spec.images])
def test_a_changed_picture_is_noticed(model, image, change):
    tensors = tensors_of(model)
    assert drift(model, tensors) <= 1
    assert drift(model, tensors | {image: CHANGED[change](tensors[image])}) > 1


def test_changed_metadata_is_noticed():
    weight_kg = Golden.load(ROOT / "artifacts" / "bmd" / "golden.npz").study.metadata["weight_kg"]
    assert drift("bmd", tensors_of("bmd", {"weight_kg": weight_kg + 1})) > 1
