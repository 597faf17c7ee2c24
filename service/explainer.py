"""Explanations of one answer: the small graphs beside the artifact, run beside the service's own work and never in its way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from pathlib import Path
from threading import Event

import numpy as np
from numpy.typing import NDArray

from models.calibration import calibrated
from models.explain import ANSWER, GRADIENTS, HEAD, TARGET, gradient_name, lime
from models.explain.gradcam import gradcam
from models.explain.shapley import field_coalitions, modality_coalitions, players_of, shapley_values
from models.explain.superpixels import superpixels
from models.genotypes.calls import NOT_CALLED
from models.prediction import AttentionMap, Explanation, Prediction, Share, Tensors
from models.spec import ImageInput, ModelSpec, answer_names, features_name
from service.engine.runtime import Runtime
from service.errors import ModelOutputError, OverloadedError

HEAD_BATCH = 64  # coalitions that pass the head at once: features are repeated for each
LIME_SAMPLES, LIME_BATCH, LIME_ACROSS = 600, 4, 8  # of all images together; about 64 pieces
LIME_CELL = 4  # pixels to a cell of its map
MAX_WAITING = 8  # requests for explanations of one model; the next is refused
FIRST_GUESS_S = 5.0
TOLERANCE = 1e-3  # of the answer's own unit
WITHOUT = "an absent image has no feature anywhere; absent genotypes are the commonest calls, absent metadata the averages of training"
Network = Callable[[Tensors, Sequence[str]], Tensors]
Asked = tuple[str, int]  # what is explained, and its place among the outputs of the head


class Explainer:
    """Computes explanations in a thread of their own, one request after the other, a bounded number waiting.

    Parameters
    ----------
    network
        The model itself, for features and for LIME.
    folder
        Holds the head and the gradients, exported with the model.
    threads
        One thread, for the explanations of all models.
    """

    def __init__(self, spec: ModelSpec, network: Network, folder: Path, threads: Executor) -> None:
        self._spec = spec
        self._network = network
        self._head = Runtime(folder / HEAD)
        self._gradients = Runtime(folder / GRADIENTS, single=True)
        self._threads = threads
        self._waiting = 0
        self._methods: dict[str, Callable[[Prediction, Asked, Event], tuple[Explanation, ...]]] = {
            "gradcam": self._gradcam, "shapley": self._shapley, "lime": self._lime,
        }  # fmt: skip

    async def __call__(self, prediction: Prediction, methods: Sequence[str]) -> dict[str, tuple[Explanation, ...]]:
        """Every method asked for, by name. OverloadedError where too many requests wait."""
        if self._waiting >= MAX_WAITING:
            raise OverloadedError("too many explanations are asked for", retry_after_s=FIRST_GUESS_S)
        self._waiting += 1
        left = Event()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._explain, prediction, methods, left)
        finally:
            left.set()  # a caller who has left needs no more samples
            self._waiting -= 1

    def _explain(self, prediction: Prediction, methods: Sequence[str], left: Event) -> dict[str, tuple[Explanation, ...]]:
        asked = asked_of(self._spec, prediction)
        explained = {name: tuple(some for each in asked for some in self._methods[name](prediction, each, left)) for name in methods}
        for explanation in (explanation for some in explained.values() for explanation in some):
            self._check(prediction, explanation)
        return explained

    def _check(self, prediction: Prediction, explanation: Explanation) -> None:
        """The graph that explains must say what the model said: another artifact's head would explain another model."""
        told = {each.name: each.value for each in prediction.measurements}
        told |= {each.name: each.probability for each in prediction.findings}
        bounded = {part.none_of_the_others for part in self._spec.classifications}
        if explanation.of not in bounded and not abs(explanation.answer - told[explanation.of]) <= TOLERANCE:
            raise ModelOutputError(f"{self._spec.name}: the explanation of {explanation.of} is of another answer")

    def _features(self, prediction: Prediction) -> Tensors:
        """Everything that the head reads (1, ...)."""
        images = [image.name for image in self._spec.images]
        tensors = {name: tensor[np.newaxis] for name, tensor in prediction.reading.tensors.items()}
        maps = self._network(tensors, [features_name(name) for name in images])
        return maps | {name: tensor for name, tensor in tensors.items() if name not in images}

    def _answers(self, inputs: Tensors, place: int) -> NDArray[np.float64]:
        return self._told(self._head(inputs)[ANSWER], place)

    def _told(self, answers: NDArray[np.float32], place: int) -> NDArray[np.float64]:
        """What is told of a network's answers (N, K): calibrated, where they are probabilities."""
        values = answers.astype(np.float64)
        for part in self._spec.classifications:
            values = calibrated(part, values, self._spec.measured)
        return values[:, place]

    def _gradcam(self, prediction: Prediction, asked: Asked, _: Event) -> tuple[Explanation, ...]:
        inputs = self._features(prediction)
        target = np.zeros((1, self._head.outputs[ANSWER][0]), np.float32)
        target[0, asked[1]] = 1
        found = self._gradients(inputs | {TARGET: target})
        tensors = {image.name: features_name(image.name) for image in self._spec.images}
        heat = {image: gradcam(inputs[name][0], found[gradient_name(name)][0]) for image, name in tensors.items()}
        maps = tuple(_map(prediction, name, values) for name, values in heat.items())
        note = "" if all(values.any() for values in heat.values()) else "nothing in the image speaks for it: the map is empty"
        return (Explanation(asked[0], float(self._answers(inputs, asked[1])[0]), maps, note=note),)

    def _shapley(self, prediction: Prediction, asked: Asked, _: Event) -> tuple[Explanation, ...]:
        """Of the fields and, where a model reads files of several kinds, of the modalities."""
        inputs = self._features(prediction)
        fields = self._of_fields(inputs, asked)
        return (fields, self._of_modalities(inputs, asked)) if len(self._spec.file_inputs) > 1 else (fields,)

    def _of_modalities(self, inputs: Tensors, asked: Asked) -> Explanation:
        """Without an image there is no feature anywhere; without genotypes or metadata the network reads what is commonest."""
        table, genotypes = self._spec.table, self._spec.genotypes
        players = {image.name: [features_name(image.name)] for image in self._spec.images}
        players |= {genotypes.name: [genotypes.name]} if genotypes else {}
        players |= {table.name: [table.mask]} if table.network_fields else {}
        absent = {name: 0.0 for names in players.values() for name in names} | ({genotypes.name: NOT_CALLED} if genotypes else {})
        worth = self._answers(modality_coalitions(inputs, list(players.values()), absent), asked[1])
        shares = tuple(Share(name, float(value)) for name, value in zip(players, shapley_values(worth), strict=True))
        return Explanation(asked[0], float(worth[-1]), shares=shares, baseline=float(worth[0]), over="modalities", note=WITHOUT)

    def _of_fields(self, inputs: Tensors, asked: Asked) -> Explanation:
        """The players are the optional fields that are present."""
        table = self._spec.table
        players = players_of(table, inputs[table.mask][0])
        masks = field_coalitions(inputs[table.mask][0], players)
        batches = np.split(masks, range(HEAD_BATCH, len(masks), HEAD_BATCH))
        worth = np.concatenate([self._worth(inputs, batch, asked[1]) for batch in batches])
        values = shapley_values(worth)
        shares = tuple(Share(table.network_fields[i].name, float(value)) for i, value in zip(players, values, strict=True))
        return Explanation(asked[0], float(worth[-1]), shares=shares, baseline=float(worth[0]), over="fields")

    def _worth(self, inputs: Tensors, masks: NDArray[np.float32], place: int) -> NDArray[np.float64]:
        repeated = {name: np.repeat(tensor, len(masks), 0) for name, tensor in inputs.items()}
        return self._answers(repeated | {self._spec.table.mask: masks}, place)

    def _lime(self, prediction: Prediction, asked: Asked, left: Event) -> tuple[Explanation, ...]:
        """Of each image: pieces of it are painted over, and the model is asked again."""
        return tuple(self._lime_of(image, prediction, asked, left) for image in self._spec.images)

    def _lime_of(self, image: ImageInput, prediction: Prediction, asked: Asked, left: Event) -> Explanation:
        picture = prediction.reading.tensors[image.name]
        labels = superpixels(_grey(image, picture), LIME_ACROSS)
        kept = lime.masks(int(labels.max()) + 1, LIME_SAMPLES // len(self._spec.images))
        batches = np.split(kept, range(LIME_BATCH, len(kept), LIME_BATCH))
        worth = np.concatenate([self._whole(prediction, image.name, labels, batch, asked[1], left) for batch in batches])
        found = lime.fit(kept, worth)
        heat = _map(prediction, image.name, _coarser(found.pieces[labels]))
        return Explanation(asked[0], float(worth[0]), (heat,), fit=found.r2)

    def _whole(
        self, prediction: Prediction, name: str, labels: NDArray[np.int64], kept: NDArray[np.bool_], place: int, left: Event
    ) -> NDArray[np.float64]:
        """The model's answers for one picture with some pieces kept (N, P)."""
        if left.is_set():
            return np.zeros(len(kept))
        tensors = {key: np.repeat(tensor[np.newaxis], len(kept), 0) for key, tensor in prediction.reading.tensors.items()}
        tensors[name] = np.stack([lime.hidden(prediction.reading.tensors[name], labels, each) for each in kept])
        name = answer_names(self._spec)[0]
        return self._told(self._network(tensors, [name])[name], place)


def asked_of(spec: ModelSpec, prediction: Prediction) -> list[Asked]:
    """What is explained: the estimate; of exclusive classes the positive one; of others every positive one, or else the likeliest."""
    if spec.regressions:
        return [(spec.regressions[0].name, 0)]
    classes = [(finding.name, place) for place, finding in enumerate(prediction.findings) if finding.positive]
    likeliest = max(range(len(prediction.findings)), key=lambda place: prediction.findings[place].probability)
    return classes or [(prediction.findings[likeliest].name, likeliest)]


def _grey(image: ImageInput, tensor: NDArray[np.float32]) -> NDArray[np.float32]:
    grey: NDArray[np.float32] = (tensor[0] * np.float32(image.std[0]) + np.float32(image.mean[0])).clip(0, 1)
    return grey


def _coarser(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means over cells of LIME_CELL squared pixels: a picture of pieces needs no more."""
    rows, columns = (side // LIME_CELL for side in values.shape)
    kept = values[: rows * LIME_CELL, : columns * LIME_CELL]
    cells: NDArray[np.float64] = kept.reshape(rows, LIME_CELL, columns, LIME_CELL).mean((1, 3))
    return cells


def _map(prediction: Prediction, name: str, values: NDArray[np.floating]) -> AttentionMap:
    geometry = next(image.geometry for image in prediction.reading.images if image.input == name)
    rows, columns = values.shape
    return AttentionMap(name, rows, columns, tuple(tuple(row) for row in values.tolist()), geometry)
