"""A column of text and bars, drawn from top to bottom."""

from __future__ import annotations

import functools
from typing import Self

from PIL import Image, ImageDraw, ImageFont

from models.prediction import Finding, Measurement

MARGIN = 28
PAPER = (18, 21, 26)  # dark, as radiographs are read
INK = (232, 236, 240)
MUTED = (150, 160, 170)
TRACK = (44, 50, 58)
BAR = (108, 166, 205)
POSITIVE = (240, 170, 70)  # orange and blue stay apart for colour-blind readers
WARNING = (255, 205, 70)
LINE = 1.35  # line height in font sizes
WRITTEN = {  # words of names that are abbreviations
    "bmd": "BMD", "bmi": "BMI", "xray": "X-ray", "dxa": "DXA",
    "cn": "CN", "mci": "MCI", "ad": "AD", "mri": "MRI", "pet": "PET", "phc": "PHC",
}  # fmt: skip


@functools.cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)  # comes with Pillow: no font of the machine is needed


class Sheet:
    """Draws down a column `width` wide; `image` is what was drawn, cut at the bottom."""

    def __init__(self, width: int, height: int) -> None:
        self._canvas = Image.new("RGB", (width, height), PAPER)
        self._draw = ImageDraw.Draw(self._canvas)
        self._width = width - MARGIN
        self._y = MARGIN

    @classmethod
    def on(cls, draw: ImageDraw.ImageDraw) -> Self:
        """A sheet that writes on somebody else's canvas."""
        sheet = cls(1, 1)
        sheet._draw = draw
        return sheet

    @property
    def image(self) -> Image.Image:
        """What was drawn."""
        return self._canvas.crop((0, 0, self._canvas.width, min(self._y + MARGIN, self._canvas.height)))

    def text(self, at: tuple[float, float], text: str, size: int, *, muted: bool = False) -> None:
        """One line of text at a place of its own."""
        self._draw.text(at, text, fill=MUTED if muted else INK, font=_font(size))

    def heading(self, text: str) -> None:
        """What the sheet is about."""
        self._lines(text, 19, INK)
        self._y += 10

    def section(self, text: str) -> None:
        """A rule and a small title."""
        self.rule()
        self._lines(text, 15, MUTED)
        self._y += 2

    def measurement(self, measurement: Measurement) -> None:
        """A number that is read from across the room, and what it means beneath."""
        unit = "" if measurement.unit.startswith("{") else measurement.unit  # a UCUM annotation is not a unit to read
        self._lines(words(measurement.name), 15, MUTED)
        number = f"{measurement.value:.3f}" if unit else f"{measurement.value:+.1f}"
        self._draw.text((0, self._y), number, fill=INK, font=_font(40))
        beside = self._draw.textlength(number, font=_font(40)) + 12
        self._unit((beside, self._y + 18), unit or words(measurement.category or ""))
        self._y += 52
        self._lines(_explanation(measurement), 14, MUTED)
        self._y += 12

    def finding(self, finding: Finding) -> None:
        """A probability as a bar, with its threshold as a tick."""
        verdict = "unproven" if finding.reservation else "positive" if finding.positive else "negative"
        colour = TRACK if finding.reservation else POSITIVE if finding.positive else BAR
        self._bar(words(finding.name), finding.probability, f"{percent(finding.probability)}  {verdict}", colour, finding.threshold)

    def weight(self, name: str, value: float) -> None:
        """A part of one as a bar."""
        self._bar(words(name), value, percent(value), BAR, None)

    def share(self, name: str, value: float, largest: float) -> None:
        """What something adds, as a bar as long as it is large beside the largest; what takes away is coloured like a warning."""
        self._bar(words(name), abs(value) / largest if largest else 0.0, f"{value:+.3f}", POSITIVE if value < 0 else BAR, None)

    def rule(self) -> None:
        """What follows is about something else."""
        self._y += 14
        self._draw.line((0, self._y, self._width, self._y), fill=TRACK)
        self._y += 10

    def note(self, text: str) -> None:
        """A paragraph in small print."""
        self._y += 6
        self._lines(text, 14, MUTED)

    def warning(self, text: str) -> None:
        """A line that nobody overlooks."""
        self._y += 14
        self._draw.rounded_rectangle((0, self._y, self._width, self._y + 42), 6, outline=WARNING, width=2)
        self._draw.text((self._width / 2, self._y + 21), text, fill=WARNING, font=_font(18), anchor="mm")
        self._y += 42

    def _unit(self, at: tuple[float, float], text: str) -> None:
        """A unit, its final exponent raised: the font that comes with Pillow has no superscripts."""
        stem = text.rstrip("23")
        self._draw.text(at, stem, fill=INK, font=_font(20))
        right = at[0] + self._draw.textlength(stem, font=_font(20)) + 1
        self._draw.text((right, at[1] - 4), text[len(stem) :], fill=INK, font=_font(14))

    def _bar(self, name: str, value: float, label: str, colour: tuple[int, int, int], tick: float | None) -> None:
        left, right, middle = 230, self._width - 130, self._y + 13
        self._draw.text((0, middle), name, fill=INK, font=_font(15), anchor="lm")
        self._draw.rounded_rectangle((left, middle - 6, right, middle + 6), 3, fill=TRACK)
        end = left + value * (right - left)
        if end - left >= 1:
            self._draw.rounded_rectangle((left, middle - 6, end, middle + 6), 3, fill=colour)
        if tick is not None:
            at = left + tick * (right - left)
            self._draw.line((at, middle - 9, at, middle + 9), fill=INK, width=2)
        self._draw.text((right + 12, middle), label, fill=INK, font=_font(15), anchor="lm")
        self._y += 27

    def _lines(self, text: str, size: int, colour: tuple[int, int, int]) -> None:
        """Write a paragraph, broken at the right margin."""
        line = ""
        for word in [*text.split(), None]:
            longer = f"{line} {word}".strip()
            if word is not None and self._draw.textlength(longer, font=_font(size)) <= self._width:
                line = longer
                continue
            self._draw.text((0, self._y), line, fill=colour, font=_font(size))
            self._y += round(size * LINE) if line else 0
            line = word or ""


def words(name: str) -> str:
    """A snake_case name as one says it: units and abbreviations are kept, where they end a name, in brackets."""
    for suffix, unit in (("_min_per_day", "min/d"), ("_units_per_week", "units/wk"), ("_years", "years"), ("_cm", "cm"), ("_kg", "kg")):
        if name.endswith(suffix):
            return f"{words(name.removesuffix(suffix))} ({unit})"
    said = " ".join(WRITTEN.get(word, word) for word in name.split("_"))
    return {"t score": "T-score"}.get(said, said[:1].upper() + said[1:])


def percent(part: float) -> str:
    """A part of one, never rounded up to certainty or down to impossibility."""
    return "< 1 %" if 0 < part < 0.01 else "> 99 %" if 0.99 < part < 1 else f"{100 * part:.0f} %"


def _explanation(measurement: Measurement) -> str:
    interval = measurement.interval
    said = [f"{100 * interval.level:.0f} % interval {interval.low:.3f} to {interval.high:.3f}"] if interval else []
    said += [part for part in (measurement.scale, measurement.reference, measurement.laterality) if part]
    return ", ".join(said)
