"""The panel's own JSON: ``{"panel": name or digest, "calls": [0, 1, 2, -1, ...]}``, in the order of the panel."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache

from models.errors import UnreadableGenotypesError, UnsuitableGenotypesError
from models.genotypes.calls import NO_CALL, NOT_CALLED, Call, Calls, no_call
from models.spec import Panel

BYTES_PER_CALL = 16  # with any reasonable white space
ANOTHER_PANEL = "GET /models/{model}/panel lists the variants that this artifact reads."


@lru_cache(maxsize=4)
def panel_digest(panel: Panel) -> str:
    """Fingerprint of the build and the variants in their order, ``sha256:<hex>``: what makes two vectors of calls comparable."""
    places = [f"{each.chromosome}:{each.position}:{each.reference}:{each.alternate}" for each in panel.variants]
    return "sha256:" + hashlib.sha256("\n".join([panel.build, *places]).encode()).hexdigest()


def json_calls(data: bytes, panel: Panel) -> Calls:
    """Read the calls.

    Raises UnsuitableGenotypesError for another panel; UnreadableGenotypesError for anything but the two members.
    """
    if len(data) > 1024 + BYTES_PER_CALL * len(panel.variants):
        raise UnsuitableGenotypesError("The JSON is longer than one of this panel can be.", hint=ANOTHER_PANEL)
    try:
        members = json.loads(data, object_pairs_hook=_unique)
    except (ValueError, RecursionError):
        raise UnreadableGenotypesError("The genotype file is not JSON.") from None
    if not isinstance(members, dict) or set(members) != {"panel", "calls"} or not isinstance(members["calls"], list):
        raise UnreadableGenotypesError('The genotype JSON has other members than "panel" and "calls".')
    if members["panel"] not in {panel.name, panel_digest(panel)} or len(members["calls"]) != len(panel.variants):
        raise UnsuitableGenotypesError("The calls were made for another panel.", hint=ANOTHER_PANEL)
    if any(type(call) is not int or not NOT_CALLED <= call <= 2 for call in members["calls"]):  # True is no call
        raise UnreadableGenotypesError("A call of the genotype JSON is not -1, 0, 1 or 2.")
    calls = Calls("panel JSON", panel, panel.build)
    for index, copies in enumerate(members["calls"]):
        calls.add(index, no_call(NO_CALL) if copies == NOT_CALLED else Call(copies))
    return calls


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("a member occurs twice")
    return members
