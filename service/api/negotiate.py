"""Which rendering of the one Prediction the caller accepts (RFC 9110 12.5.1)."""

from __future__ import annotations

from service.api.renderings import DICOM, FHIR, RELATED, RENDERINGS
from service.errors import NotAcceptableError

FHIR_VERSIONS = {"4.0", "4.3"}  # R4, and R4B, which reads the same (R4, http.html#version-parameter)


def rendering(accept: str) -> str:
    """The rendering with the highest quality; the default where several are equal, or the header is empty.

    Raises
    ------
    NotAcceptableError
        The caller accepts none.
    """
    ranges = [_range(text) for text in accept.split(",") if text.strip()] or [("*/*", 1.0)]
    quality = {offer: max((_match(offer, *each) for each in ranges), default=(0, 0.0))[1] for offer in RENDERINGS}
    best = max(RENDERINGS, key=lambda offer: quality[offer])
    if quality[best] == 0:
        raise NotAcceptableError("no rendering of the answer is one that the caller accepts")
    return best


def _range(text: str) -> tuple[str, float]:
    kind, *parameters = (piece.strip().lower() for piece in text.split(";"))
    stated = dict(piece.split("=", 1) for piece in reversed(parameters) if "=" in piece)  # of two, the first
    if kind == RELATED and stated.get("type", DICOM).strip('"') != DICOM:
        return kind, 0.0  # parts of another type than ours (RFC 2387)
    if kind == FHIR and stated.get("fhirversion", "4.0") not in FHIR_VERSIONS:
        return kind, 0.0
    try:
        return kind, min(1.0, max(0.0, float(stated.get("q", "1"))))
    except ValueError:
        return kind, 0.0


def _match(offer: str, kind: str, quality: float) -> tuple[int, float]:
    """How specific a range is about an offer (0: not at all), and its quality; the most specific range decides."""
    specificity = {offer: 3, f"{offer.partition('/')[0]}/*": 2, "*/*": 1}.get(kind, 0)
    return specificity, quality if specificity else 0.0
