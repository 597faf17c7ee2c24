"""Fit, calibrate, certify and export the gate, and write its card."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy
from tqdm import tqdm

from models.gate import GATE, Part
from models.gate.network import GateNetwork
from training.gate.data import Examples, made, real
from training.gate.films import films
from training.gate.report import write_card
from training.graphs import ABSOLUTE_TOLERANCE, OPSET, ParityError, run_onnx, stamp, strip

BATCH, RATE, DECAY = 128, 3e-3, 1e-4
COPIES: dict[Part, int] = {"hip": 80, "chest": 3, "breast": 40, "crop": 3, "head": 8, "none": 40}  # of each real film of the training part
SMOOTHING = 0.02
UNTURNED = -100  # cross_entropy passes over it: a breast has no upright, and none of these neither


def make_gate(root: Path | None, out: Path, cases: int, epochs: int, seed: int) -> None:
    """Draw and read the pictures, fit, and write model.onnx, golden.npz and card.md into `out`.

    `root` holds real films (training/gate/films.py); without it the gate is trained on made pictures alone, and says so.
    """
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    found = list(films(root)) if root else []
    parts = {use: [film for film in found if film.use == use] for use in ("train", "validation", "test")}
    train = made(cases, seed, "train")
    if found:
        train += real(parts["train"], COPIES, seed)
    validation, test = made(max(cases // 8, 4), seed + 1, "validation"), made(max(cases // 4, 4), seed + 2, "test")
    network = fit(train, epochs, seed)
    calibrate(network, validation + real(parts["validation"], {}, seed) if found else validation)
    training_data = "made pictures and openly licensed films" if found else "made pictures"
    export(network, validation, out, training_data)
    pictures = {"made pictures of another seed": test, "real films of other subjects": real(parts["test"], {}, seed)}
    write_card(out, {name: examples for name, examples in pictures.items() if len(examples.parts)}, training_data, len(train.parts))


def fit(train: Examples, epochs: int, seed: int) -> GateNetwork:
    """One cycle of AdamW; each thumbnail mirrored half of the time."""
    network, rng = GateNetwork(), np.random.default_rng(seed)
    turns = torch.from_numpy(np.where(np.isin(train.parts, _upright()), train.turns, UNTURNED))
    parts, images = torch.from_numpy(train.parts), torch.from_numpy(train.thumbnails)
    counts = np.bincount(train.parts, minlength=len(GATE.parts)).clip(1)
    weights = torch.tensor(len(parts) / (len(GATE.parts) * counts), dtype=torch.float32)
    steps = -(-len(parts) // BATCH)
    optimizer = torch.optim.AdamW(network.parameters(), RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=epochs * steps)
    progress = tqdm(total=epochs * steps, desc="gate", unit="step")
    for _ in range(epochs):
        network.train()
        for batch in np.array_split(rng.permutation(len(parts)), steps):
            index = torch.from_numpy(batch)
            loss = _loss(network, images[index], parts[index], turns[index], weights)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            progress.update()
            progress.set_postfix(loss=f"{loss.item():.3f}")
    progress.close()
    return network.eval()


def calibrate(network: GateNetwork, validation: Examples) -> None:
    """Fit the temperature of the probabilities on validation pictures (Guo et al., ICML 2017)."""
    with torch.inference_mode():
        logits = torch.cat([network.logits(piece)[0] for piece in torch.split(torch.from_numpy(validation.thumbnails), 512)])
    parts = torch.from_numpy(validation.parts)
    candidates = torch.exp(torch.linspace(-1, 1.5, 101))
    losses = [cross_entropy(logits / candidate, parts).item() for candidate in candidates]
    network.temperature.data = candidates[int(np.argmin(losses))]


def export(network: GateNetwork, cases: Examples, out: Path, training_data: str) -> None:
    """Write model.onnx and golden.npz, or nothing where ONNX Runtime differs from PyTorch.

    Raises ParityError.
    """
    out.mkdir(parents=True, exist_ok=True)
    path = out / "model.onnx.partial"
    inputs = torch.from_numpy(cases.thumbnails[:32])
    names = [GATE.part, GATE.orientation]
    batch = torch.export.Dim("batch", min=1, max=1024)
    program = torch.onnx.export(
        network, kwargs={GATE.thumbnail: inputs}, dynamic_shapes={GATE.thumbnail: {0: batch}}, input_names=[GATE.thumbnail],
        output_names=names, opset_version=OPSET, dynamo=True, verbose=False,
    )  # fmt: skip
    assert program is not None  # noqa: S101  torch types the older exporter's None into the result
    program.save(path, external_data=False)
    strip(path)
    stamp(path, {"spec": GATE.model_copy(update={"training_data": training_data}).model_dump_json()})
    with torch.inference_mode():
        expected = dict(zip(names, (output.numpy() for output in network(inputs)), strict=True))
    answered = run_onnx(path, {GATE.thumbnail: inputs.numpy()})
    if (drift := max(float(np.abs(expected[name] - answered[name]).max()) for name in names)) > ABSOLUTE_TOLERANCE:
        path.unlink()
        raise ParityError(f"gate: largest difference {drift:.1e} > {ABSOLUTE_TOLERANCE:.0e}")
    few = slice(0, len(GATE.parts))  # one of each
    golden = {GATE.thumbnail: cases.thumbnails[few].astype(np.float16)}
    answered = run_onnx(path, {GATE.thumbnail: golden[GATE.thumbnail].astype(np.float32)})
    np.savez_compressed(out / "golden.npz", allow_pickle=False, **golden, **answered)
    path.replace(out / "model.onnx")


def _loss(network: GateNetwork, images: Tensor, parts: Tensor, turns: Tensor, weights: Tensor) -> Tensor:
    part, orientation = network.logits(images)
    told = cross_entropy(orientation, turns, ignore_index=UNTURNED, reduction="sum") / (turns != UNTURNED).sum().clamp(min=1)
    return cross_entropy(part, parts, weights, label_smoothing=SMOOTHING) + 0.5 * told


def _upright() -> NDArray[np.int64]:
    return np.array([GATE.parts.index(part) for part in GATE.upright_parts])
