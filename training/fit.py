"""One training loop for all models: reproducible by seed, resumable after any epoch, with progress."""

from __future__ import annotations

import importlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from training.accumulation import add_gradient
from training.augment import augment_image, drop_fields
from training.curves import Curves, History
from training.data import Cohort, Indices, Split, group_of
from training.distillation import distilled
from training.losses import Loss, loss_of, surprise
from training.recipes import Recipe
from training.schedule import learning_rate_share, optimizer_of
from training.storage import locked, replacing

Floats = NDArray[np.float32]
CPU_THREADS = 1  # one thread adds in one order only: the same seed gives the same bits on any number of cores


@dataclass(frozen=True)
class Task:
    """One network to train: a variant of a recipe on one split, in a folder of its own."""

    recipe: Recipe
    variant: str
    split: Split
    folder: Path

    @property
    def teacher(self) -> Task | None:
        """The task whose network this one learns from: the same split of another variant."""
        name = self.recipe.teachers.get(self.variant)
        return None if name is None else replace(self, variant=name, folder=self.folder.parent.parent / name / self.split.name)

    def network(self) -> nn.Module:
        """A fresh network with the recipe's options and the variant's differences."""
        options = {**self.recipe.network, **self.recipe.variants[self.variant]}
        network: nn.Module = importlib.import_module(f"models.{self.recipe.model}.network").build(options)
        return network


def fit(task: Task, cohort: Cohort, device: torch.device, pretrained: Path | None = None) -> None:
    """Train until the last epoch or the recipe's patience; leaves best.pt, history.csv and held_out.npz in the folder.

    A folder that is finished is left alone; one that was interrupted, by whatever and wherever, goes on after its last whole epoch.
    It ends as it would have unbroken: to the bit on a CPU. held_out.npz is written last, and says that everything else is there.

    Raises
    ------
    FileExistsError
        Another process trains this network.
    """
    if (task.folder / "held_out.npz").exists():
        return
    if device.type == "cpu":
        torch.set_num_threads(CPU_THREADS)
    with locked(task.folder):
        run = _Run(task, cohort, device, pretrained)
        run.resume()
        run.train()
        run.recentre()
        run.save_held_out()


def load_network(task: Task) -> nn.Module:
    """The network of the best epoch, on the CPU, in evaluation mode."""
    network = task.network()
    network.load_state_dict(torch.load(task.folder / "best.pt", map_location="cpu", weights_only=True))
    return network.eval()


class _Run:
    """The state of one training: network, optimizer, epoch and history."""

    def __init__(self, task: Task, cohort: Cohort, device: torch.device, pretrained: Path | None) -> None:
        self.task, self.spec, self.targets, self.tensors, self.device = task, cohort.spec, cohort.targets, cohort.tensors, device
        self.groups = np.unique([group_of(row) for row in cohort.rows], return_inverse=True)[1]  # numbers, not names
        torch.manual_seed(task.recipe.seed)
        self.network = task.network()
        if pretrained is not None:
            _load_trunks(self.network, pretrained)
        self._standardise()
        self.network.to(device)
        self.optimizer = optimizer_of(self.network, task.recipe)
        self.loss: Loss = self._loss()
        self.teacher = self._teacher()
        self.history: History = []
        self.best: dict[str, Tensor] = {}  # the weights of the best epoch so far, as they were then

    def train(self) -> None:
        """All remaining epochs, one progress bar."""
        curves = Curves(self.task.folder, self.history)
        recipe, label = self.task.recipe, f"{self.task.variant}/{self.task.split.name}"
        with tqdm(total=recipe.epochs, initial=len(self.history), desc=label, unit="epoch") as bar:
            while len(self.history) < recipe.epochs and not self._out_of_patience():
                self._one_epoch()
                curves.add(self.history)
                bar.set_postfix(train=f"{self.history[-1]['train']:.4f}", validation=f"{self.history[-1]['validation']:.4f}")
                bar.update()
        curves.close()

    def resume(self) -> None:
        """Go on after the last whole epoch, if there was one."""
        path = self.task.folder / "last.pt"
        if path.exists():
            state = torch.load(path, map_location="cpu", weights_only=True)
            self.network.load_state_dict(state["network"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.history, self.best = state["history"], state["best"]

    def recentre(self) -> None:
        """Move the best epoch's estimates so that their median error on the validation rows is zero, and leave them as best.pt.

        A loss that weighs low targets more pulls every estimate down; a measurement must not be biased. What is moved comes from the
        checkpoint, where it is never moved: doing this again after an interruption gives the same.
        """
        if not self.best:
            raise FileNotFoundError(f"{self.task.folder}: no epoch had a finite validation loss; choose a lower learning rate")
        self.network.load_state_dict(self.best)
        if self.task.recipe.recentre and self.spec.regressions:
            indices = self.task.split.validation
            self.network.shift(float(np.median(self.targets[indices] - self._predict(indices))))  # type: ignore[operator]
        self._write(self.network.state_dict(), "best.pt")

    def save_held_out(self) -> None:
        """What the best epoch says of the rows that neither trained it nor chose it."""
        indices = self.task.split.held_out
        with replacing(self.task.folder / "held_out.npz") as file:
            np.savez(
                file,
                indices=indices,
                group=self.groups[indices],
                target=self.targets[indices],
                estimate=self._predict(indices),
                estimate_without_context=self._predict(indices, bare=True),
                validation=self._predict(self.task.split.validation),
            )

    def _one_epoch(self) -> None:
        epoch, started = len(self.history), time.perf_counter()
        torch.manual_seed(1000 * self.task.recipe.seed + epoch)  # every epoch is a function of the seed: resuming changes nothing
        rng = torch.Generator().manual_seed(1000 * self.task.recipe.seed + epoch)
        self._set_trunk_frozen(epoch < self.task.recipe.frozen_trunk_epochs)
        self.network.train()
        if epoch < self.task.recipe.frozen_trunk_epochs:
            for trunk in self._trunks():
                trunk.eval()  # frozen means its batch statistics too
        batches = list(self._batches(self.task.split.train, rng))
        losses = [self._step(batch, epoch + i / len(batches), rng) for i, batch in enumerate(batches)]
        validation = self._validation_loss()
        if np.isfinite(validation) and not any(row["validation"] < validation for row in self.history):
            self.best = {name: value.to("cpu", copy=True) for name, value in self.network.state_dict().items()}
        rate = self.task.recipe.learning_rate * learning_rate_share(self.task.recipe, epoch + 1 - 1 / len(batches))  # of the last step
        told = {"train": float(np.mean(losses)), "validation": validation, "learning_rate": rate}
        self.history.append({"epoch": float(epoch), **told, "seconds": time.perf_counter() - started})
        self._save()

    def _step(self, batch: Indices, progress: float, rng: torch.Generator) -> float:
        recipe = self.task.recipe
        for group in self.optimizer.param_groups:
            group["lr"] = group["full_lr"] * learning_rate_share(recipe, progress)
        inputs = self._augmented(self._inputs(batch), rng)
        target = torch.from_numpy(self.targets[batch]).float().to(self.device)
        loss = partial(self._batch_loss, target=target, taught=self._taught(inputs))
        self.optimizer.zero_grad(set_to_none=True)
        value = add_gradient(self._logits, loss, inputs, recipe.accumulate)
        nn.utils.clip_grad_norm_(self.network.parameters(), recipe.clip_norm)
        self.optimizer.step()
        return value

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.task.recipe.mixed_precision)  # float16 needs loss scaling

    def _logits(self, inputs: Mapping[str, Tensor]) -> Sequence[Tensor]:
        with self._autocast():
            logits = self.network.logits(**inputs)  # type: ignore[operator]
        return (logits,) if isinstance(logits, Tensor) else logits

    def _batches(self, indices: Indices, rng: torch.Generator) -> Iterator[Indices]:
        order = indices[torch.randperm(len(indices), generator=rng).numpy()]
        size = self.task.recipe.batch_size
        for start in range(0, max(len(order) - len(order) % size, 1), size):  # a last batch of one would break batch statistics
            yield order[start : start + size]

    def _inputs(self, batch: Indices) -> dict[str, Tensor]:
        return {name: torch.from_numpy(array[batch]).to(self.device) for name, array in self.tensors.items()}

    def _augmented(self, inputs: dict[str, Tensor], rng: torch.Generator) -> dict[str, Tensor]:
        table, how = self.spec.table, self.task.recipe.augmentation
        changed = {part.name: augment_image(inputs[part.name], part, how, rng) for part in self.spec.images}
        if table.mask in inputs:
            changed[table.mask] = drop_fields(inputs[table.mask], table, how, rng)
        return inputs | changed

    def _validation_loss(self) -> float:
        indices = self.task.split.validation
        answer, target = torch.from_numpy(self._predict(indices)), torch.from_numpy(self.targets[indices]).float()
        if self.spec.classifications:
            return float(surprise(answer, target, exclusive=self.spec.classifications[0].exclusive))
        return float(self.loss(answer, target))

    def _batch_loss(self, logits: Sequence[Tensor], target: Tensor, taught: Tensor | None) -> Tensor:
        """The recipe's loss, or a teacher's beside it."""
        with self._autocast():
            if taught is None or len(logits) == 1:
                return self.loss(logits[0], target)
            return distilled((logits[0], logits[1]), target, taught)

    def _taught(self, inputs: dict[str, Tensor]) -> Tensor | None:
        """What the teacher says of what the student sees (B, K); None without one."""
        if self.teacher is None:
            return None
        with torch.no_grad(), self._autocast():
            parts = zip(*(value.chunk(self.task.recipe.accumulate) for value in inputs.values()), strict=True)
            return torch.cat([self.teacher(**dict(zip(inputs, part, strict=True)))[0] for part in parts])

    def _teacher(self) -> nn.Module | None:
        """The finished network of the variant that this one learns from, frozen."""
        if self.task.teacher is None:
            return None
        return load_network(self.task.teacher).to(self.device)

    def _loss(self) -> Loss:
        train = torch.from_numpy(self.targets[self.task.split.train]).float().to(self.device)
        return loss_of(self.task.recipe.loss, self.task.recipe.loss_options, train)

    def _predict(self, indices: Indices, *, bare: bool = False) -> Floats:
        """First output (N, K) of the network in evaluation mode; `bare` hides every optional field."""
        table = self.spec.table
        kept = torch.tensor([float(field.required or not bare) for field in table.network_fields], device=self.device)
        self.network.eval()
        outputs = [np.zeros((0, self.targets.shape[1]), np.float32)]  # a split that holds out nothing predicts nothing
        with torch.inference_mode():
            for batch in np.split(indices, range(64, len(indices), 64)) if len(indices) else ():
                inputs = self._inputs(batch)
                if table.mask in inputs:
                    inputs[table.mask] = inputs[table.mask] * kept
                outputs.append(self.network(**inputs)[0].float().cpu().numpy())
        return np.concatenate(outputs)

    def _standardise(self) -> None:
        """Scalers come from the training part of the split alone."""
        train = self.task.split.train
        images = {part.name for part in self.spec.images}
        inputs = {name: torch.from_numpy(array[train]) for name, array in self.tensors.items() if name not in images}
        self.network.standardise(inputs, torch.from_numpy(self.targets[train]).float())  # type: ignore[operator]

    def _trunks(self) -> list[nn.Module]:
        return list(self.network.trunks)  # type: ignore[arg-type]

    def _set_trunk_frozen(self, frozen: bool) -> None:  # noqa: FBT001  a state, not a mode
        for parameter in (parameter for trunk in self._trunks() for parameter in trunk.parameters()):
            parameter.requires_grad_(not frozen)

    def _out_of_patience(self) -> bool:
        losses = [row["validation"] for row in self.history]
        return bool(self.task.recipe.patience and losses and len(losses) - 1 - int(np.argmin(losses)) >= self.task.recipe.patience)

    def _write(self, state: object, name: str) -> None:
        with replacing(self.task.folder / name) as file:
            torch.save(state, file)

    def _save(self) -> None:
        """One file at once: the best weights are never those of another history."""
        network, optimizer = self.network.state_dict(), self.optimizer.state_dict()
        self._write({"network": network, "optimizer": optimizer, "history": self.history, "best": self.best}, "last.pt")


def tasks_of(recipe: Recipe, splits: tuple[Split, ...], run: Path, variants: tuple[str, ...] = ()) -> tuple[Task, ...]:
    """Every network that a run trains: each variant on each split."""
    chosen = variants or tuple(recipe.variants)
    return tuple(Task(recipe, variant, split, run / variant / split.name) for variant in chosen for split in splits)


def _load_trunks(network: nn.Module, path: Path) -> None:
    """A torchvision checkpoint into every image trunk; its classifier is not used."""
    state = torch.load(path, map_location="cpu", weights_only=True)
    for trunk in network.trunks:  # type: ignore[union-attr]
        trunk.load_state_dict({name: value for name, value in state.items() if not name.startswith("fc.")})
