"""Maps and rankings against what was planted: the pointing game (Zhang et al., ECCV 2016), and rank correlation, both against chance.

A map points to the cell of its largest value, and hits where that cell overlaps the planted place. By chance it would as often as cells
overlap the place at all. Everything is asked of the artifact's own graphs in ONNX Runtime, as the service asks them.
"""

from __future__ import annotations

import importlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr
from tqdm import tqdm

from models.decode import Limits
from models.explain import ANSWER, FOLDER, GRADIENTS, HEAD, TARGET, gradient_name
from models.explain.gradcam import gradcam
from models.explain.shapley import field_coalitions, players_of, shapley_values
from models.prediction import Reading, Tensors, UsedImage
from models.spec import ModelSpec, features_name
from models.study import read_study
from training.data import study_of, target_names
from training.graphs import artifact_spec, open_graph
from training.metrics import Estimate, Scored, bootstrap
from training.phantoms.planted import Place, Planted
from training.recipes import recipe
from training.sources import Row

Map = NDArray[np.floating]
Game = tuple[float, float, float]  # whether the peak hits, whether the middle would, and the share of cells that do
FEWEST = 10  # cases of which anything is told


@dataclass(frozen=True)
class Pointing:
    """Of one kind of map over one image: how often it hits, how often the middle of the image would, and a random cell."""

    method: str
    input: str
    of: str
    cases: int
    hits: Estimate
    middle: float
    chance: float
    advantage: Estimate  # hits less chance, on the same cases


@dataclass(frozen=True)
class Ranking:
    """Of one way to weigh fields: Spearman's correlation with what was planted, the mean over cases; 0 by chance."""

    method: str
    cases: int
    correlation: Estimate


class Asker:
    """An artifact that is asked for its maps and weights, one study at a time."""

    def __init__(self, folder: Path) -> None:
        self.spec: ModelSpec = artifact_spec(folder / "model.onnx")
        self._network = open_graph(folder / "model.onnx")
        self._head, self._gradients = (open_graph(folder / FOLDER / name) for name in (HEAD, GRADIENTS))
        self._names = target_names(self.spec)

    def outputs(self, reading: Reading) -> Tensors:
        """Everything that the network returns (1, ...)."""
        return self._network({name: tensor[np.newaxis] for name, tensor in reading.tensors.items()})

    def attention(self, outputs: Tensors) -> dict[str, Map]:
        """Image -> the network's attention over it."""
        return {part.input: outputs[part.tensor][0] for part in self.spec.image_attention}

    def gradcam(self, reading: Reading, outputs: Tensors, of: str) -> dict[str, Map]:
        """Image -> what speaks for `of` in it."""
        target = np.zeros((1, len(self._names)), np.float32)
        target[0, self._names.index(of)] = 1
        inputs = self._head_inputs(reading, outputs)
        found = self._gradients(inputs | {TARGET: target})
        features = {image.name: features_name(image.name) for image in self.spec.images}
        return {image: gradcam(inputs[name][0], found[gradient_name(name)][0]) for image, name in features.items()}

    def shapley(self, reading: Reading, outputs: Tensors, of: str) -> dict[str, float]:
        """Optional field -> its exact Shapley value for `of`."""
        table, inputs = self.spec.table, self._head_inputs(reading, outputs)
        players = players_of(table, reading.tensors[table.mask])
        masks = field_coalitions(reading.tensors[table.mask], players)
        repeated = {name: np.repeat(tensor, len(masks), 0) for name, tensor in inputs.items()} | {table.mask: masks}
        values = shapley_values(self._head(repeated)[ANSWER][:, self._names.index(of)])
        return {table.network_fields[place].name: float(value) for place, value in zip(players, values, strict=True)}

    def field_attention(self, reading: Reading, outputs: Tensors) -> dict[str, float]:
        """Field that is present -> the attention that it received."""
        part, table = self.spec.metadata_attention, self.spec.table
        if part is None:
            return {}
        weights = zip(table.network_fields, outputs[part.tensor][0].tolist(), reading.tensors[table.mask], strict=True)
        return {field.name: weight for field, weight, present in weights if present}

    def _head_inputs(self, reading: Reading, outputs: Tensors) -> Tensors:
        images = {image.name for image in self.spec.images}
        maps = {features_name(name): outputs[features_name(name)] for name in images}
        return maps | {name: tensor[np.newaxis] for name, tensor in reading.tensors.items() if name not in images}


def against_planted(model: str, artifact: Path, cases: int, seed: int, folder: Path) -> tuple[list[Pointing], list[Ranking]]:
    """Draw `cases` phantoms of a seed into `folder`, ask the artifact about each, and compare with what was planted."""
    phantoms = importlib.import_module(f"training.phantoms.{model}")
    phantoms.write(folder, cases, seed, rows=recipe(model, "reference").phantom_rows)
    truth: dict[str, Planted] = {each.patient: each for each in (phantoms.planted(seed, index) for index in range(cases))}
    asker = Asker(artifact)
    games: dict[tuple[str, str, str], list[Game]] = defaultdict(list)
    ranks: dict[str, list[float]] = defaultdict(list)
    rows = importlib.import_module(f"training.sources.{model}").read(folder)
    for row in tqdm(rows, desc="explain", unit="case"):
        _ask(asker, row, truth[row.group or row.patient], games, ranks)
    pointing = [_pointing(*key, np.array(some)) for key, some in games.items() if len(some) >= FEWEST]
    return pointing, [Ranking(name, len(some), _mean(np.array(some))) for name, some in ranks.items() if len(some) >= FEWEST]


def _ask(
    asker: Asker, row: Row, planted: Planted, games: dict[tuple[str, str, str], list[Game]], ranks: dict[str, list[float]]
) -> None:
    reading = read_study(asker.spec, study_of(row), Limits())
    outputs = asker.outputs(reading)
    for place in planted.places:
        image = next(each for each in reading.images if each.input == place.input)
        maps = {"attention": asker.attention(outputs), "gradcam": asker.gradcam(reading, outputs, place.of)}
        for method, some in maps.items():
            if place.input in some and some[place.input].any():
                games[method, place.input, place.of].append(_game(some[place.input], box_in_view(place, image)))
    if not planted.causes:
        return
    of = planted.places[0].of if planted.places else target_names(asker.spec)[0]
    weighed = {"attention": asker.field_attention(reading, outputs), "shapley": asker.shapley(reading, outputs, of)}
    for method, weights in weighed.items():
        if (found := _agreement(weights, planted)) is not None:
            ranks[method].append(found)


def box_in_view(place: Place, image: UsedImage) -> tuple[float, float, float, float]:
    """The planted box, or the square of a disc's area, in [0, 1] of the network's view: see `models.prediction.Geometry`."""
    seen = image.geometry
    if place.box is not None:
        x0, y0, x1, y1 = place.box
        corners = ((x0 * image.columns, y0 * image.rows), (x1 * image.columns, y1 * image.rows))
    else:
        assert place.disc_mm is not None and image.plane is not None  # noqa: S101, PT018  a disc is planted in a volume
        y, z, radius = place.disc_mm
        (_, back, top), step, half = image.plane.origin_mm, image.plane.spacing_mm, radius * np.sqrt(np.pi) / 2
        corners = ((y - half - back) / step, (top - z - half) / step), ((y + half - back) / step, (top - z + half) / step)
    columns = sorted((seen.left + seen.width - x if seen.mirrored else x - seen.left) + seen.pad_left for x, _ in corners)
    rows = [y - seen.top + seen.pad_top for _, y in corners]
    return columns[0] / seen.side, rows[0] / seen.side, columns[1] / seen.side, rows[1] / seen.side


def _game(heat: Map, box: tuple[float, float, float, float]) -> Game:
    height, width = heat.shape
    rows, columns = np.arange(height), np.arange(width)
    inside = np.outer(
        (rows < box[3] * height) & (rows + 1 > box[1] * height), (columns < box[2] * width) & (columns + 1 > box[0] * width)
    )
    row, column = np.unravel_index(int(heat.argmax()), heat.shape)
    return float(inside[row, column]), float(inside[height // 2, width // 2]), float(inside.mean())


def _pointing(method: str, image: str, of: str, games: NDArray[np.float64]) -> Pointing:
    hits, middle, chance = games.T
    return Pointing(method, image, of, len(games), _mean(hits), float(middle.mean()), float(chance.mean()), _mean(hits - chance))


def _agreement(weights: dict[str, float], planted: Planted) -> float | None:
    """Spearman's correlation of the sizes of weights and causes over the fields of one case; None for fewer than three, or all alike."""
    sizes = np.array([(abs(weight), abs(planted.causes.get(name, 0.0))) for name, weight in weights.items()])
    if len(sizes) < 3 or (np.ptp(sizes, axis=0) == 0).any():
        return None
    return float(spearmanr(sizes[:, 0], sizes[:, 1]).statistic)


def _mean(values: NDArray[np.float64]) -> Estimate:
    return bootstrap(Scored(values, values), {"mean": lambda some, _: float(np.mean(some))})["mean"]


def lines(pointing: list[Pointing], rankings: list[Ranking]) -> Iterator[str]:
    """Both tables as Markdown, each row with its verdict."""
    yield "| map | image | of | cases | hits | middle of the image | chance | better than chance |"
    yield "|---|---|---|---|---|---|---|---|"
    for each in pointing:
        numbers = f"{each.cases} | {each.hits} | {each.middle:.2f} | {each.chance:.2f}"
        yield f"| {each.method} | {each.input} | {each.of} | {numbers} | {_verdict(each.advantage)} |"
    if rankings:
        yield from ("", "| weights of fields | cases | rank correlation with what was planted | better than chance |", "|---|---|---|---|")
    for rank in rankings:
        yield f"| {rank.method} | {rank.cases} | {rank.correlation} | {_verdict(rank.correlation)} |"


def _verdict(advantage: Estimate) -> str:
    return "yes" if advantage.low > 0 else "worse" if advantage.high < 0 else "not shown"


def page(model: str, pointing: list[Pointing], rankings: list[Ranking], cases: int, seed: int) -> str:
    """Both tables, with what they mean."""
    return "\n".join([
        f"# What the explanations of {model} point to",
        "",
        f"{cases} phantoms of seed {seed}, whose findings were planted at known places. A map hits where the cell of its peak overlaps",
        "the planted place; the interval is that of the mean over cases (95 %, bootstrap). Chance is the share of cells that overlap it.",
        "The rank of a field is compared with how much was planted in it, in each case; chance is 0. This says nothing of patients.",
        "",
        *lines(pointing, rankings),
        "",
        f"Reproduce: `python -m training explain {model} --cases {cases} --seed {seed}`",
        "",
    ])  # fmt: skip
