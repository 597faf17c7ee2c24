"""What a page shows rather than says: pictures as PNG within the page, bars and histograms in the colours of its text."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape

from PIL import Image as PillowImage

from training.inspection.reading import Picture


def figure(picture: Picture, caption: str) -> str:
    """A picture with what stands below it; the caption is text, not HTML."""
    words = escape(caption)
    return f'<figure title="{words}"><img alt="{words}" src="{data_uri(picture)}"><figcaption>{words}</figcaption></figure>'


def data_uri(picture: Picture) -> str:
    """A greyscale picture as PNG, inline."""
    out = io.BytesIO()
    PillowImage.fromarray(picture).save(out, "PNG", optimize=True)
    return png_uri(out.getvalue())


def png_uri(png: bytes) -> str:
    """A PNG file, inline."""
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"


def bar(share: float) -> str:
    """A share in [0, 1] as a bar."""
    return f'<div class="track"><i style="width:{100 * min(max(share, 0.0), 1.0):.1f}%"></i></div>'


def histogram(counts: Sequence[int], label: str, *, large: bool = False) -> str:
    """Counts of equal bins as bars; the label is for those who hear the page."""
    tallest = max((*counts, 1))
    heights = [0.0 if not count else max(28 * count / tallest, 1.5) for count in counts]
    bars = "".join(f'<rect x="{4 * i}" y="{30 - height:.1f}" width="3.4" height="{height:.1f}"/>' for i, height in enumerate(heights))
    size = "histogram large" if large else "histogram"
    box = f'viewBox="0 0 {4 * len(counts)} 30" preserveAspectRatio="none"'
    return f'<svg class="{size}" {box} role="img" aria-label="{escape(label)}">{bars}</svg>'
