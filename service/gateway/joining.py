"""Studies of one patient that a model reads together: an MRI and a PET that an archive holds as two.

Only where a rule says so. A study that has the model's first input is the one that is evaluated, with what it lacks taken from the study
of the same patient (Patient ID and its issuer) whose date is nearest, within the days of the rule; its result goes there and names the
instances of both. The other study makes no result of its own. Whichever comes first waits for the other, and no longer than the rule says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from models import SPECS
from models.spec import ModelSpec
from service.gateway.config import GatewayConfig, Join
from service.gateway.ledger import Job, Ledger, Received, Relative
from service.gateway.service import NotYetError

ELSEWHERE = "its images are read with another study of the patient"


@dataclass(frozen=True)
class Together:
    """Studies whose instances are evaluated with those of the job; `elsewhere` where it is the others that are evaluated."""

    studies: tuple[str, ...] = ()
    elsewhere: bool = False


ALONE = Together()


class Joining:
    """Looks for what belongs to a study."""

    def __init__(self, config: GatewayConfig, ledger: Ledger, clock: Callable[[], float]) -> None:
        self._rules = {join.model: join for join in config.joins}
        self._ledger, self._clock, self._quiet_s = ledger, clock, config.receive.quiet_s

    def of(self, job: Job, model: str, instances: Sequence[Received]) -> Together:
        """What to evaluate with these instances of the job's study.

        Raises
        ------
        NotYetError
            The other study may still come, or has not come to rest.
        """
        rule = self._rules.get(model)
        if rule is None:
            return ALONE
        spec, modalities = SPECS[model], {each.modality for each in instances}
        missing = _missing(spec, modalities)
        if not missing or len(missing) == len(spec.images):
            return ALONE
        near = _near(rule, instances[0].study_date, self._ledger.relatives(job.study_uid))
        if spec.images[0].name in missing:
            return self._primary(job, rule, [each for each in near if _lacks(spec, each, modalities)])
        return self._partners(job, rule, [_first(spec, name, near) for name in missing])

    def settle(self, job: Job, together: Together) -> None:
        """When the job is done: the other studies are looked at, where they have not been since the last of this one came."""
        now, of = self._clock(), {each.study_uid: each for each in self._ledger.relatives(job.study_uid)}
        for study in (of[uid] for uid in together.studies if uid in of):
            seen = study.state == "done" and study.updated_at >= job.since + self._quiet_s  # no sooner was this one joined
            if not seen and (together.elsewhere or study.state == "collecting"):
                self._ledger.wake(study.study_uid, now)

    def _primary(self, job: Job, rule: Join, studies: Sequence[Relative]) -> Together:
        if studies:
            return Together(tuple(each.study_uid for each in studies if self._rests(each)), elsewhere=True)
        self._wait(job, rule)
        return ALONE

    def _partners(self, job: Job, rule: Join, partners: Sequence[Relative | None]) -> Together:
        there = list(dict.fromkeys(each for each in partners if each is not None))
        if None in partners:
            self._wait(job, rule)
        if any(not self._rests(each) for each in there):
            raise NotYetError("the other study of the patient is still coming", self._quiet_s)
        return Together(tuple(each.study_uid for each in there))

    def _wait(self, job: Job, rule: Join) -> None:
        left = job.since + rule.wait_s - self._clock()
        if left > 0:
            raise NotYetError("waits for the other study of the patient", left)

    def _rests(self, study: Relative) -> bool:
        return study.arrived_at + self._quiet_s <= self._clock()


def _missing(spec: ModelSpec, modalities: Iterable[str]) -> list[str]:
    return [image.name for image in spec.images if not set(image.modalities) & set(modalities)]


def _lacks(spec: ModelSpec, study: Relative, modalities: set[str]) -> bool:
    """Whether a study has the first input, and lacks one that these modalities are."""
    missing = _missing(spec, study.modalities)
    return spec.images[0].name not in missing and any(name not in _missing(spec, modalities) for name in missing)


def _near(rule: Join, date: str, studies: Iterable[Relative]) -> list[Relative]:
    """Those within the days of the rule, the nearest first."""
    days = {each.study_uid: _days(date, each.date) for each in studies}
    near = [(gap, each.study_uid, each) for each in studies if (gap := days[each.study_uid]) is not None and gap <= rule.days]
    return [each for _, _, each in sorted(near, key=lambda entry: entry[:2])]


def _days(one: str, other: str) -> int | None:
    """Days between two dates (DA); None where one is none."""
    try:
        return abs((datetime.strptime(one, "%Y%m%d") - datetime.strptime(other, "%Y%m%d")).days)  # noqa: DTZ007  dates alone
    except ValueError:
        return None


def _first(spec: ModelSpec, name: str, studies: Iterable[Relative]) -> Relative | None:
    """The first study that has an input."""
    return next((each for each in studies if name not in _missing(spec, each.modalities)), None)
