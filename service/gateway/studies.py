"""What is asked for, what is found, and what came of it: the words of both ways to have a study."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Wanted:
    """Studies by one of their names."""

    study_uid: str = ""
    accession: str = ""
    patient: str = ""

    @property
    def keys(self) -> dict[str, str]:
        """Attributes that have to match (PS3.4 C.6.2.1), by keyword."""
        keys = {"StudyInstanceUID": self.study_uid, "AccessionNumber": self.accession, "PatientID": self.patient}
        return {keyword: value for keyword, value in keys.items() if value}


@dataclass(frozen=True)
class Found:
    """A study at a peer."""

    study_uid: str
    patient_id: str = ""
    date: str = ""  # DA; empty where it does not say
    modalities: tuple[str, ...] = ()
    instances: int = 0  # Number of Study Related Instances; 0 where it does not say

    def follows(self, other: Found) -> bool:
        """Whether the other is an earlier study with the same kind of images."""
        alike = not self.modalities or not other.modalities or set(self.modalities) & set(other.modalities)
        return bool(alike) and "" < other.date < self.date


@dataclass(frozen=True)
class Pulled:
    """How many instances came, and how many did not."""

    stored: int
    failed: int
