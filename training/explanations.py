"""The two small graphs that explanations need, beside the artifact: the head, and the exact gradient of its answer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch._decomp import core_aten_decompositions
from torch.fx.experimental.proxy_tensor import make_fx

from models.explain import ANSWER, GRADIENTS, HEAD, TARGET, gradient_name
from models.spec import ModelSpec, features_name
from training.graphs import ABSOLUTE_TOLERANCE, OPSET, ParityError, run_onnx, strip

GRADIENT_TOLERANCE = 1e-6


class Head(nn.Module):
    """Features and everything else that is no image, in the order of `names` -> the answer (B, K): probabilities, or the estimate."""

    def __init__(self, network: nn.Module, spec: ModelSpec, names: list[str]) -> None:
        super().__init__()
        self.network, self.names = network, names
        self.images = [features_name(image.name) for image in spec.images]
        self.exclusive = spec.classifications[0].exclusive if spec.classifications else None

    def logits(self, *values: Tensor) -> Tensor:
        """(B, K) before the activation."""
        inputs = dict(zip(self.names, values, strict=True))
        maps = tuple(inputs.pop(name) for name in self.images)
        answer: Tensor = self.network.decide(maps, **inputs)  # type: ignore[operator]
        return answer

    def forward(self, *values: Tensor) -> Tensor:
        """(B, K), activated."""
        logits = self.logits(*values)
        if self.exclusive is None:
            return logits
        return logits.softmax(1) if self.exclusive else logits.sigmoid()


def export_explanations(network: nn.Module, spec: ModelSpec, inputs: dict[str, Tensor], folder: Path) -> None:
    """Write head.onnx and gradients.onnx into `folder`.

    Parameters
    ----------
    network
        In evaluation mode; its parameters are frozen here.
    inputs
        Rows as the network reads them, by which both graphs are certified.

    Raises
    ------
    ParityError
        ONNX Runtime differs from PyTorch: nothing is left in the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for parameter in network.parameters():
        parameter.requires_grad_(False)  # noqa: FBT003
    images = {image.name for image in spec.images}
    with torch.no_grad():
        maps = network.encode(**{name: inputs[name] for name in images})  # type: ignore[operator]
    given = {features_name(image.name): each.clone() for image, each in zip(spec.images, maps, strict=True)}
    given |= {name: value for name, value in inputs.items() if name not in images}
    head = Head(network, spec, list(given)).eval()
    try:
        _export_head(head, given, folder / HEAD)
        _export_gradients(head, given, folder / GRADIENTS)
    except Exception:
        for name in (HEAD, GRADIENTS):
            (folder / name).unlink(missing_ok=True)
        raise


def _export_head(head: Head, inputs: dict[str, Tensor], path: Path) -> None:
    batch = torch.export.Dim("batch", min=1, max=8192)
    program = torch.onnx.export(
        head, tuple(inputs.values()), dynamic_shapes={"values": tuple({0: batch} for _ in inputs)}, input_names=head.names,
        output_names=[ANSWER], opset_version=OPSET, dynamo=True, verbose=False,
    )  # fmt: skip
    _save(program, path)
    with torch.inference_mode():
        expected = head(*inputs.values()).numpy()
    _certify(path, inputs, {ANSWER: expected}, ABSOLUTE_TOLERANCE)


def _export_gradients(head: Head, inputs: dict[str, Tensor], path: Path) -> None:
    """d(target . logits) / d(features) for one case, traced through autograd and written as ordinary operators."""
    names = [*head.names, TARGET]
    outputs = [gradient_name(name) for name in head.images]
    places = [head.names.index(name) for name in head.images]

    def gradient(*values: Tensor) -> list[Tensor]:
        given, target = list(values[:-1]), values[-1]
        for place in places:
            given[place] = given[place].detach().requires_grad_()
        return list(torch.autograd.grad((head.logits(*given) * target).sum(), [given[place] for place in places]))

    def case(row: int) -> tuple[Tensor, ...]:
        one = [value[row : row + 1] for value in inputs.values()]
        classes = head.logits(*one).shape[1]
        return (*one, nn.functional.one_hot(torch.tensor([row % classes]), classes).float())

    traced = make_fx(gradient, decomposition_table=dict(core_aten_decompositions()))(*case(0))
    program = torch.onnx.export(
        torch.export.export(traced, case(0)), input_names=names, output_names=outputs, opset_version=OPSET, dynamo=True, verbose=False
    )
    _save(program, path)
    for row in range(min(8, len(inputs[head.images[0]]))):
        values = case(row)
        expected = dict(zip(outputs, (each.numpy() for each in gradient(*values)), strict=True))
        _certify(path, dict(zip(names, values, strict=True)), expected, GRADIENT_TOLERANCE)


def _save(program: torch.onnx.ONNXProgram | None, path: Path) -> None:
    assert program is not None  # noqa: S101  torch types the older exporter's None into the result
    program.save(path, external_data=False)
    strip(path)


def _certify(path: Path, inputs: dict[str, Tensor], expected: dict[str, np.ndarray], tolerance: float) -> None:
    """Of each output, the largest difference as a share of its largest value, where that is above one."""
    answered = run_onnx(path, {name: value.numpy() for name, value in inputs.items()}, list(expected))
    drift = max(float(np.abs(answered[name] - each).max() / max(1.0, np.abs(each).max())) for name, each in expected.items())
    if not drift <= tolerance:
        raise ParityError(f"{path.name}: largest difference {drift:.1e} > {tolerance:.0e}")
