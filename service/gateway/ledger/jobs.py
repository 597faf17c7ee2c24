"""Studies: what has come of each, and who evaluates it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, RowMapping, func, insert, select, update

from service.gateway.ledger.database import Database
from service.gateway.ledger.records import Job, Made, Received, Relative
from service.gateway.ledger.tables import PRIORITIES, deliveries, instances, jobs


class Jobs(Database):
    """One job a study."""

    def receive(self, instance: Received, now: float, quiet_s: float) -> str:
        """Note an instance, and that its study waits until nothing has come for `quiet_s`.

        Returns the file that it replaces, or that is not needed because the same bytes are there already; empty for neither.
        """
        with self._writing() as connection:
            self._alone(connection, instance.study_uid)
            job = connection.execute(select(jobs).where(jobs.c.study_uid == instance.study_uid).with_for_update()).mappings().first()
            where = (instances.c.study_uid == instance.study_uid) & (instances.c.sop_uid == instance.sop_uid)
            known = connection.execute(select(instances).where(where)).mappings().first()
            if known and known["sha256"] == instance.sha256:
                return instance.file
            row = {name: value for name, value in vars(instance).items() if name != "expected"} | {"received_at": now}
            if known:
                connection.execute(update(instances).where(where).values(**row))
            else:
                connection.execute(insert(instances).values(**row))
            self._wait(connection, job, instance, now, quiet_s)
            return str(known["file"]) if known else ""

    def _wait(self, connection: Connection, job: RowMapping | None, instance: Received, now: float, quiet_s: float) -> None:
        mine = instances.c.study_uid == instance.study_uid
        count = connection.execute(select(func.count()).select_from(instances).where(mine)).scalar_one()
        complete = 0 < instance.expected <= count
        values = {"state": "collecting", "ready_at": now if complete else now + quiet_s, "attempts": 0, "problem": ""}
        values |= {"updated_at": now, "arrived_at": now}
        if job is None:
            connection.execute(insert(jobs).values(study_uid=instance.study_uid, revision=1, created_at=now, **values))
        else:
            connection.execute(update(jobs).where(jobs.c.id == job["id"]).values(revision=job["revision"] + 1, **values))

    def prioritise(self, study_uid: str, priority: str) -> None:
        """Say how urgent a study is."""
        with self._writing() as connection:
            connection.execute(update(jobs).where(jobs.c.study_uid == study_uid).values(priority=PRIORITIES[priority]))

    def release(self, now: float) -> None:
        """Take back what a process has taken that is no more: at the start of the only one that uses the ledger.

        Where several do, leases end by themselves.
        """
        if not self.shared:
            with self._writing() as connection:
                connection.execute(update(jobs).where(jobs.c.state == "running").values(lease_until=0))
                connection.execute(update(deliveries).where(deliveries.c.state == "pending").values(next_at=now))

    def renew(self, until: float) -> None:
        """Keep what this process has taken; what it has not renewed in time is anybody's."""
        with self._writing() as connection:
            mine = (jobs.c.state == "running") & (jobs.c.owner == self.owner)
            connection.execute(update(jobs).where(mine).values(lease_until=until))

    def unsorted(self) -> list[str]:
        """Studies that wait and whose urgency nobody has looked at."""
        query = select(jobs.c.study_uid).where((jobs.c.state == "collecting") & jobs.c.priority.is_(None)).limit(100)
        with self._reading() as connection:
            return list(connection.execute(query).scalars())

    def take_job(self, now: float, lease_s: float) -> Job | None:
        """The most urgent study that is complete, or whose taker has not been heard of; None where there is none."""
        ready = (jobs.c.state == "collecting") & (jobs.c.ready_at <= now)
        abandoned = (jobs.c.state == "running") & (jobs.c.lease_until < now)
        with self._writing() as connection:
            order = (jobs.c.priority.nulls_first(), jobs.c.ready_at, jobs.c.id)
            query = select(jobs).where(ready | abandoned).order_by(*order).limit(1).with_for_update(skip_locked=True)
            row = connection.execute(query).mappings().first()
            if row is None:
                return None
            values = {"state": "running", "owner": self.owner, "lease_until": now + lease_s, "attempts": row["attempts"] + 1}
            connection.execute(update(jobs).where(jobs.c.id == row["id"]).values(**values))
            return Job(row["id"], row["study_uid"], row["revision"], row["attempts"] + 1, since=row["arrived_at"])

    def finish_job(self, job: Job, made: Iterable[Made], now: float, problem: str = "") -> list[str]:
        """Note what is to be delivered, and that the study is done, unless more of it has come.

        Returns the files that are not needed: results that stand in the ledger already.
        """
        spare = []
        with self._writing() as connection:
            mine = self._is_mine(connection, job)
            for each in made:
                row = {"job_id": job.id, "study_uid": job.study_uid, "state": "pending", "next_at": now, "created_at": now, **vars(each)}
                if not mine or not connection.execute(self._insert(deliveries).values(**row).on_conflict_do_nothing()).rowcount:
                    spare.append(each.file)
            self._leave(connection, job, {"state": "done", "problem": problem, "updated_at": now})
        return spare

    def _is_mine(self, connection: Connection, job: Job) -> bool:
        """Whether no other process has taken the same study since: it would then deliver the same results."""
        row = connection.execute(select(jobs).where(jobs.c.id == job.id).with_for_update()).mappings().first()
        return row is not None and (row["owner"] == self.owner or row["revision"] != job.revision)

    def postpone_job(self, job: Job, until: float, problem: str, *, counted: bool = True) -> None:
        """Try again later, for a reason that passes; what is not `counted` was no attempt."""
        with self._writing() as connection:
            attempts = job.attempts if counted else job.attempts - 1
            self._leave(connection, job, {"state": "collecting", "ready_at": until, "problem": problem, "attempts": attempts})

    def fail_job(self, job: Job, now: float, problem: str) -> None:
        """Leave it to a person."""
        with self._writing() as connection:
            self._leave(connection, job, {"state": "failed", "updated_at": now, "problem": problem})

    def _leave(self, connection: Connection, job: Job, values: dict[str, Any]) -> None:
        """Change a job that was taken, if it is still the same: a revision that arrived meanwhile waits by itself."""
        mine = (jobs.c.id == job.id) & (jobs.c.revision == job.revision) & (jobs.c.state == "running") & (jobs.c.owner == self.owner)
        connection.execute(update(jobs).where(mine).values(lease_until=0, **values))

    def instances_of(self, study_uid: str) -> list[Received]:
        """What has come of a study, in the order of arrival."""
        query = select(instances).where(instances.c.study_uid == study_uid).order_by(instances.c.id)
        with self._reading() as connection:
            return [_received(row) for row in connection.execute(query).mappings()]

    def relatives(self, study_uid: str) -> list[Relative]:
        """Other studies of the same patient that are here, as far as their headers say whose they are."""
        patients = select(instances.c.patient).where((instances.c.study_uid == study_uid) & (instances.c.patient != ""))
        theirs = instances.c.patient.in_(patients) & (instances.c.study_uid != study_uid)
        columns = (instances.c.study_uid, instances.c.study_date, instances.c.modality, jobs.c.state, jobs.c.updated_at, jobs.c.arrived_at)
        query = select(*columns).join(jobs, jobs.c.study_uid == instances.c.study_uid).where(theirs).distinct()
        found: dict[str, Relative] = {}
        with self._reading() as connection:
            for study, date, modality, state, updated_at, arrived_at in connection.execute(query):
                known = found.get(study, Relative(study, date, frozenset(), state, updated_at, arrived_at))
                found[study] = replace(known, modalities=known.modalities | {modality})
        return [found[study] for study in sorted(found)]

    def wake(self, study_uid: str, now: float) -> None:
        """Evaluate a study now, once more where it was evaluated before."""
        with self._writing() as connection:
            values = {"state": "collecting", "ready_at": now, "attempts": 0, "revision": jobs.c.revision + 1}
            connection.execute(update(jobs).where(jobs.c.study_uid == study_uid).values(**values))

    def again(self, now: float) -> int:
        """Evaluate failed studies again, and return how many there were."""
        with self._writing() as connection:
            values = {"state": "collecting", "ready_at": now, "attempts": 0}
            return connection.execute(update(jobs).where(jobs.c.state == "failed").values(**values)).rowcount


def _received(row: RowMapping) -> Received:
    return Received(**{name: row[name] for name in Received.__dataclass_fields__ if name in row}, expected=0)
