"""What goes into the ledger, and what comes out of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

JobState = Literal["collecting", "running", "done", "failed"]
DeliveryState = Literal["pending", "sent", "dead"]


@dataclass(frozen=True)
class Received:
    """One instance as it came: its UIDs, where it lies, and by which door."""

    study_uid: str
    series_uid: str
    sop_uid: str
    sop_class: str
    transfer_syntax: str
    sha256: str
    file: str
    size: int
    called: str
    calling: str
    expected: int = 0  # Number of Study Related Instances, where the header or whoever sent it says
    patient: str = ""  # a digest of whose it is, that tells patients apart; empty where nobody has to
    study_date: str = ""  # DA
    modality: str = ""


@dataclass(frozen=True)
class Job:
    """One study to evaluate, at the revision that was taken: another instance that arrives meanwhile makes a new one."""

    id: int
    study_uid: str
    revision: int
    attempts: int
    since: float = 0.0  # when the last of it came


@dataclass(frozen=True)
class Relative:
    """Another study of the same patient."""

    study_uid: str
    date: str  # DA; empty where it does not say
    modalities: frozenset[str]
    state: JobState
    updated_at: float
    arrived_at: float  # the last of it


@dataclass(frozen=True)
class Made:
    """A result for one destination."""

    destination: str
    sop_uid: str  # names the result: the same one is never delivered twice to the same destination
    file: str


@dataclass(frozen=True)
class Delivery:
    """One result that is to be sent."""

    id: int
    destination: str
    sop_uid: str
    study_uid: str
    file: str
    attempts: int
