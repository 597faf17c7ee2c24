"""The image as the network saw it, its attention laid over it, and the answer beside it: one PNG that reads at a glance."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from models.postprocess import SYNTHETIC
from models.prediction import AttentionMap, Explanation, Prediction, Tensors
from models.spec import ImageInput, ModelSpec
from service.formats.sheet import MARGIN, PAPER, Sheet

VIEW = 640  # pixels of the longer side of one image view
PANEL = 560
LEGEND = 56
OPACITY = 0.55  # of the strongest attention: anatomy stays visible beneath
# Matplotlib's inferno (CC0) at nine even steps: lightness rises evenly, so that more looks like more, in grey print too.
INFERNO = np.array(
    [[0, 0, 4], [31, 12, 72], [85, 15, 109], [136, 34, 106], [186, 54, 85], [227, 89, 51], [249, 140, 10], [249, 201, 50], [252, 255, 164]],
    np.float32,
)

Pixels = NDArray[np.uint8]


def render_png(spec: ModelSpec, prediction: Prediction) -> bytes:
    """The answer as a picture in a file."""
    target = io.BytesIO()
    draw(spec, prediction).save(target, "PNG", optimize=False, compress_level=3)  # a third of the time of the default, a tenth more bytes
    return target.getvalue()


def draw(spec: ModelSpec, prediction: Prediction) -> Image.Image:
    """The answer as a picture.

    Parameters
    ----------
    spec
        The exported spec of the network that answered.
    prediction
        Its answer, with the tensors that the network saw.
    """
    pictures, panel = views(spec, prediction), _panel(spec, prediction)
    width = sum(view.width + MARGIN for view in pictures) + MARGIN + panel.width
    height = max(*(view.height + 2 * MARGIN for view in pictures), panel.height)
    canvas = Image.new("RGB", (width, height), PAPER)
    left = MARGIN
    for view in pictures:
        canvas.paste(view, (left, MARGIN))
        left += view.width + MARGIN
    canvas.paste(panel, (left, 0))
    return canvas


def views(spec: ModelSpec, prediction: Prediction) -> list[Image.Image]:
    """Each image with its attention laid over it, then each map of an explanation; a legend beneath."""
    explained = [(name, each) for name, some in prediction.explanations.items() for each in some]
    maps = [_explained(spec, prediction, name, each, heat) for name, each in explained for heat in each.maps]
    return [*(_view(image, prediction) for image in spec.images), *maps]


def colours(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """(...) in [0, 1] -> (..., 3) in [0, 255], along the colour map."""
    steps = np.linspace(0, 1, len(INFERNO), dtype=np.float32)
    channels = [np.interp(values, steps, INFERNO[:, channel]) for channel in range(3)]
    return np.stack(channels, axis=-1).astype(np.float32)


def seen(image: ImageInput, tensors: Tensors) -> Pixels:
    """The network's own view, (C, H, W) standardised -> (H, W) in grey: the spec's mean and deviation undone."""
    grey = tensors[image.name][0] * np.float32(image.std[0]) + np.float32(image.mean[0])
    pixels: Pixels = (255 * grey.clip(0, 1)).round().astype(np.uint8)
    return pixels


def _picture(image: ImageInput, prediction: Prediction) -> Image.Image:
    grey = Image.fromarray(seen(image, prediction.reading.tensors))
    scale = VIEW / max(grey.size)
    return grey.resize((round(grey.width * scale), round(grey.height * scale)), Image.Resampling.BICUBIC).convert("RGB")


def _explained(spec: ModelSpec, prediction: Prediction, name: str, explanation: Explanation, heat: AttentionMap) -> Image.Image:
    """One explanation's map over its image: of LIME, only what speaks for the answer is coloured."""
    picture = _picture(next(image for image in spec.images if image.name == heat.input), prediction)
    canvas = Image.new("RGB", (picture.width, picture.height + LEGEND), PAPER)
    values = tuple(tuple(max(0.0, value) for value in row) for row in heat.values)
    canvas.paste(_lay_over(picture, replace(heat, values=values)), (0, 0))
    fit = "" if explanation.fit is None else f", fit R2 {explanation.fit:.2f}"
    sheet = Sheet.on(ImageDraw.Draw(canvas))
    sheet.text((0, picture.height + 8), f"{name}: what speaks for {explanation.of}{fit}", 15)
    if explanation.note:
        sheet.text((0, picture.height + 32), explanation.note, 13, muted=True)
    return canvas


def _view(image: ImageInput, prediction: Prediction) -> Image.Image:
    picture = _picture(image, prediction)
    attention = next((each for each in prediction.image_attention if each.input == image.name), None)
    if attention is None:
        return picture
    canvas = Image.new("RGB", (picture.width, picture.height + LEGEND), PAPER)
    canvas.paste(_lay_over(picture, attention), (0, 0))
    _legend(canvas, picture.height, attention)
    return canvas


def _lay_over(picture: Image.Image, attention: AttentionMap) -> Image.Image:
    """Smooth the network's coarse grid over the picture; the strongest cell is coloured most."""
    grid = np.asarray(attention.values, np.float32)
    grid /= np.maximum(grid.max(), np.finfo(np.float32).tiny)
    smooth = Image.fromarray(grid).resize(picture.size, Image.Resampling.BICUBIC)
    strength = np.asarray(smooth, np.float32).clip(0, 1)
    opacity = OPACITY * strength[..., np.newaxis]
    mixed = (1 - opacity) * np.asarray(picture, np.float32) + opacity * colours(strength)
    return Image.fromarray(mixed.round().astype(np.uint8))


def _legend(canvas: Image.Image, top: int, attention: AttentionMap) -> None:
    strongest = max(weight for row in attention.values for weight in row)
    shown = "mirrored, as every image of this side" if attention.geometry.mirrored else "not mirrored"
    ramp = colours(np.tile(np.linspace(0, 1, 200, dtype=np.float32), (10, 1)))
    canvas.paste(Image.fromarray(ramp.round().astype(np.uint8)), (0, top + 14))
    draw = ImageDraw.Draw(canvas)
    sheet = Sheet.on(draw)
    sheet.text((212, top + 8), f"attention, 0 to {100 * strongest:.0f} % in one cell", 15)
    sheet.text((0, top + 32), f"the image as the network saw it: contrast stretched, {shown}", 13, muted=True)


def _panel(spec: ModelSpec, prediction: Prediction) -> Image.Image:
    sheet = Sheet(PANEL, _panel_height(prediction))
    sheet.heading(spec.title)
    for measurement in prediction.measurements:
        sheet.measurement(measurement)
    if prediction.findings:
        sheet.section("Findings")
        for finding in prediction.findings:
            sheet.finding(finding)
    if prediction.metadata_attention:
        sheet.section("Attention to the metadata")
        for each in sorted(prediction.metadata_attention, key=lambda weight: -weight.weight):
            sheet.weight(each.field, each.weight)
    _shares(sheet, prediction)
    reservations = [check for check in prediction.quality if not check.passed and check.check != "training_data"]
    if reservations:
        sheet.section("Reservations")
        for check in reservations:
            sheet.note(check.detail)
    _closing(sheet, spec)
    return sheet.image


def _shares(sheet: Sheet, prediction: Prediction) -> None:
    for explanation in (each for some in prediction.explanations.values() for each in some if each.shares):
        span = f"from {explanation.baseline:.3g} to {explanation.answer:.3g}"
        sheet.section(f"Shapley values of the {explanation.over} for {explanation.of}: {span}")
        largest = max(abs(share.value) for share in explanation.shares)
        for share in sorted(explanation.shares, key=lambda share: -abs(share.value)):
            sheet.share(share.name, share.value, largest)


def _closing(sheet: Sheet, spec: ModelSpec) -> None:
    sheet.rule()
    sheet.note(f"{spec.name} {spec.version}. {spec.intended_use}")
    if spec.measured is None or spec.measured.training_data == SYNTHETIC:
        sheet.warning("Trained on synthetic phantoms. Not for clinical use.")


def _panel_height(prediction: Prediction) -> int:
    """Room for everything; what is left is cut off."""
    rows = 3 * len(prediction.measurements) + len(prediction.findings) + len(prediction.metadata_attention) + 2 * len(prediction.quality)
    rows += sum(2 + len(each.shares) for some in prediction.explanations.values() for each in some)
    return 400 + 34 * rows
