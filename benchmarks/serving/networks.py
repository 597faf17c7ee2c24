"""Full-size networks with random weights, exported as every artifact is: what a hospital would serve, as far as its cost goes."""

from __future__ import annotations

import hashlib
import importlib
import json
from pathlib import Path

import numpy as np
import torch

from models.decode import Limits
from models.spec import ModelSpec
from models.study import Part, Study, read_study
from training.export import golden_case, write_graph
from training.graphs import artifact_spec, stamp
from training.recipes import recipe

ROOT = Path(__file__).resolve().parents[2]
SEED = 0
CASES = 4  # by which the export is certified
BMD_MEAN_SD = (0.9, 0.15)  # g/cm2: random weights estimate near the mean, and the service refuses what nobody's bone has


def full_size(model: str, folder: Path, *, name: str = "paper") -> Path:
    """The folder of a model's artifact with the network of the recipe `name`; made once for its code and its spec.

    Thresholds, calibration and error distributions are those of the reference artifact, so that the whole answer is made.
    """
    spec = artifact_spec(ROOT / "artifacts" / model / "model.onnx")
    code = [ROOT / "models" / model / "network.py", *sorted((ROOT / "models" / "layers").glob("*.py"))]
    made_of = hashlib.sha256(f"{spec.digest()} {recipe(model, name)}".encode() + b"".join(path.read_bytes() for path in code))
    out = folder / made_of.hexdigest()[:12] / model
    if not (out / "golden.npz").exists():
        out.mkdir(parents=True, exist_ok=True)
        gate = out.parent / "gate"
        gate.unlink(missing_ok=True)
        gate.symlink_to(ROOT / "artifacts" / "gate")
        _export(spec, name, out)
    return out


def example(model: str) -> Study:
    """The example of a model: its PNG."""
    folder = ROOT / "examples" / model
    return Study((Part((folder / "image.png").read_bytes(), "image"),), json.loads((folder / "metadata.json").read_text()))


def _export(spec: ModelSpec, name: str, out: Path) -> None:
    torch.manual_seed(SEED)
    network = importlib.import_module(f"models.{spec.name}.network").build(recipe(spec.name, name).network)
    inputs = _cases(spec)
    network.standardise(inputs, torch.normal(*BMD_MEAN_SD, (100, 1)))
    write_graph(network.eval(), spec, out / "model.onnx", inputs)
    stamp(out / "model.onnx", {"spec": spec.model_dump_json(), "spec_digest": spec.digest()})
    golden_case(spec, out / "model.onnx", example(spec.name)).save(out / "golden.npz")


def _cases(spec: ModelSpec) -> dict[str, torch.Tensor]:
    """The example, its picture made darker case by case."""
    tensors = read_study(spec, example(spec.name), Limits()).tensors
    shades = np.linspace(1, 0.5, CASES, dtype=np.float32)
    images = {image.name for image in spec.images}
    stacked = {name: np.stack([tensor * shade if name in images else tensor for shade in shades]) for name, tensor in tensors.items()}
    return {name: torch.from_numpy(tensor) for name, tensor in stacked.items()}
