"""Which instances go where."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any, Literal

from pydantic import Field

from service.gateway.config.section import Section, Title

Priority = Literal["stat", "routine", "batch"]


class Route(Section):
    """Which instances of a study go to which model, and where its results go."""

    name: str
    model: str
    match: dict[str, tuple[str, ...]] = Field({}, description="DICOM keyword -> patterns, with * and ?; one must fit, in any case.")
    called: tuple[Title, ...] = Field((), description="Only what was sent to one of these titles.")
    callers: tuple[Title, ...] = Field((), description="Only what one of these titles sent.")
    priority: Priority = "routine"
    destinations: tuple[str, ...] = Field(min_length=1)
    metadata: dict[str, Any] = Field({}, description="Metadata that holds for every study of this route.")

    def misses(self, instance: dict[str, str], called: str, calling: str) -> str:
        """Why an instance does not fit, in plain words; empty where it does. `instance` holds DICOM keywords and their text."""
        if self.called and called not in self.called:
            return f"it was sent to {called}, not to {' or '.join(self.called)}"
        if self.callers and calling not in self.callers:
            return f"{calling} sent it, not {' or '.join(self.callers)}"
        for keyword, patterns in self.match.items():
            value = instance.get(keyword, "").upper()
            if not any(fnmatchcase(value, pattern.upper()) for pattern in patterns):
                return f"{keyword} is not {' or '.join(patterns)}"
        return ""


class Join(Section):
    """Two studies of one patient that a model reads together, such as an MRI and a PET; the result goes to that of its first input."""

    model: str
    days: int = Field(ge=0, description="Days that may lie between the dates of the studies.")
    wait_s: float = Field(ge=0, description="A study that lacks an input waits so long for the other, and is then evaluated alone.")
