"""What the gateway knows: instances received, one job a study, and what is to be delivered where. SQLite, in the spool.

Every hand-over is one transaction. A job or a delivery that somebody has taken is theirs until a lease ends; then it is anybody's again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import Connection, Engine, RowMapping, create_engine, delete, event, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from service.gateway.tables import PRIORITIES, deliveries, instances, jobs, metadata

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


@dataclass(frozen=True)
class Job:
    """One study to evaluate, at the revision that was taken: another instance that arrives meanwhile makes a new one."""

    id: int
    study_uid: str
    revision: int
    attempts: int


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


class Ledger:
    """All of it in one file; several threads and processes may use it at once."""

    def __init__(self, path: Path) -> None:
        self._engine: Engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": 30})
        event.listen(self._engine, "connect", _durable)
        event.listen(self._engine, "begin", _immediate)
        metadata.create_all(self._engine)

    def close(self) -> None:
        """Let go of the file."""
        self._engine.dispose()

    def _reading(self) -> Connection:
        """A connection that takes no lock."""
        return self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")

    def receive(self, instance: Received, now: float, quiet_s: float) -> str:
        """Note an instance, and that its study waits until nothing has come for `quiet_s`.

        Returns the file that it replaces, or that is not needed because the same bytes are there already; empty for neither.
        """
        with self._engine.begin() as connection:
            where = (instances.c.study_uid == instance.study_uid) & (instances.c.sop_uid == instance.sop_uid)
            known = connection.execute(select(instances).where(where)).mappings().first()
            if known and known["sha256"] == instance.sha256:
                return instance.file
            row = {name: value for name, value in vars(instance).items() if name != "expected"} | {"received_at": now}
            if known:
                connection.execute(update(instances).where(where).values(**row))
            else:
                connection.execute(insert(instances).values(**row))
            self._wait(connection, instance, now, quiet_s)
            return str(known["file"]) if known else ""

    def _wait(self, connection: Connection, instance: Received, now: float, quiet_s: float) -> None:
        job = connection.execute(select(jobs).where(jobs.c.study_uid == instance.study_uid)).mappings().first()
        mine = instances.c.study_uid == instance.study_uid
        count = connection.execute(select(func.count()).select_from(instances).where(mine)).scalar_one()
        complete = 0 < instance.expected <= count
        values = {"state": "collecting", "ready_at": now if complete else now + quiet_s, "updated_at": now, "attempts": 0, "problem": ""}
        if job is None:
            connection.execute(insert(jobs).values(study_uid=instance.study_uid, revision=1, created_at=now, **values))
        else:
            connection.execute(update(jobs).where(jobs.c.id == job["id"]).values(revision=job["revision"] + 1, **values))

    def prioritise(self, study_uid: str, priority: str) -> None:
        """Say how urgent a study is."""
        with self._engine.begin() as connection:
            connection.execute(update(jobs).where(jobs.c.study_uid == study_uid).values(priority=PRIORITIES[priority]))

    def release(self, now: float) -> None:
        """Take back what a process has taken that is no more: at the start of the only one that uses the ledger."""
        with self._engine.begin() as connection:
            connection.execute(update(jobs).where(jobs.c.state == "running").values(lease_until=0))
            connection.execute(update(deliveries).where(deliveries.c.state == "pending").values(next_at=now))

    def unsorted(self) -> list[str]:
        """Studies that wait and whose urgency nobody has looked at."""
        query = select(jobs.c.study_uid).where((jobs.c.state == "collecting") & jobs.c.priority.is_(None)).limit(100)
        with self._reading() as connection:
            return list(connection.execute(query).scalars())

    def take_job(self, now: float, lease_s: float) -> Job | None:
        """The most urgent study that is complete, or whose taker has not been heard of; None where there is none."""
        ready = (jobs.c.state == "collecting") & (jobs.c.ready_at <= now)
        abandoned = (jobs.c.state == "running") & (jobs.c.lease_until < now)
        with self._engine.begin() as connection:
            query = select(jobs).where(ready | abandoned).order_by(jobs.c.priority, jobs.c.ready_at, jobs.c.id).limit(1)
            row = connection.execute(query).mappings().first()
            if row is None:
                return None
            values = {"state": "running", "lease_until": now + lease_s, "attempts": row["attempts"] + 1}
            connection.execute(update(jobs).where(jobs.c.id == row["id"]).values(**values))
            return Job(row["id"], row["study_uid"], row["revision"], row["attempts"] + 1)

    def finish_job(self, job: Job, made: Iterable[Made], now: float, problem: str = "") -> list[str]:
        """Note what is to be delivered, and that the study is done, unless more of it has come.

        Returns the files that are not needed: results that stand in the ledger already.
        """
        spare = []
        with self._engine.begin() as connection:
            for each in made:
                row = {"job_id": job.id, "study_uid": job.study_uid, "state": "pending", "next_at": now, "created_at": now, **vars(each)}
                try:
                    with connection.begin_nested():
                        connection.execute(insert(deliveries).values(**row))
                except IntegrityError:
                    spare.append(each.file)
            self._leave(connection, job, {"state": "done", "problem": problem, "updated_at": now})
        return spare

    def postpone_job(self, job: Job, until: float, problem: str) -> None:
        """Try again later, for a reason that passes."""
        with self._engine.begin() as connection:
            self._leave(connection, job, {"state": "collecting", "ready_at": until, "problem": problem})

    def fail_job(self, job: Job, now: float, problem: str) -> None:
        """Leave it to a person."""
        with self._engine.begin() as connection:
            self._leave(connection, job, {"state": "failed", "updated_at": now, "problem": problem})

    def _leave(self, connection: Connection, job: Job, values: dict[str, Any]) -> None:
        """Change a job that was taken, if it is still the same: a revision that arrived meanwhile waits by itself."""
        mine = (jobs.c.id == job.id) & (jobs.c.revision == job.revision) & (jobs.c.state == "running")
        connection.execute(update(jobs).where(mine).values(lease_until=0, **values))

    def instances_of(self, study_uid: str) -> list[Received]:
        """What has come of a study, in the order of arrival."""
        query = select(instances).where(instances.c.study_uid == study_uid).order_by(instances.c.id)
        with self._reading() as connection:
            return [_received(row) for row in connection.execute(query).mappings()]

    def take_delivery(self, now: float, lease_s: float, destinations: Sequence[str]) -> Delivery | None:
        """The delivery that has waited longest for one of these destinations; None where none is due."""
        due = (deliveries.c.state == "pending") & (deliveries.c.next_at <= now) & deliveries.c.destination.in_(destinations)
        with self._engine.begin() as connection:
            query = select(deliveries).where(due).order_by(deliveries.c.next_at, deliveries.c.id).limit(1)
            row = connection.execute(query).mappings().first()
            if row is None:
                return None
            values = {"next_at": now + lease_s, "attempts": row["attempts"] + 1}
            connection.execute(update(deliveries).where(deliveries.c.id == row["id"]).values(**values))
            return Delivery(row["id"], row["destination"], row["sop_uid"], row["study_uid"], row["file"], row["attempts"] + 1)

    def delivered(self, delivery: Delivery, now: float) -> None:
        """It arrived, and the receiver said so."""
        self._set(delivery.id, state="sent", sent_at=now, reason="")

    def retry_delivery(self, delivery: Delivery, at: float, reason: str) -> None:
        """It did not arrive for a reason that passes."""
        self._set(delivery.id, next_at=at, reason=reason)

    def bury_delivery(self, delivery: Delivery, reason: str) -> None:
        """It will never arrive as it is: a person has to see it."""
        self._set(delivery.id, state="dead", reason=reason)

    def resend(self, ids: Sequence[int], now: float) -> int:
        """Send dead letters again, and return how many there were."""
        where = (deliveries.c.state == "dead") & deliveries.c.id.in_(ids)
        with self._engine.begin() as connection:
            return connection.execute(update(deliveries).where(where).values(state="pending", next_at=now, attempts=0)).rowcount

    def counts(self) -> dict[tuple[str, str], int]:
        """How many jobs and deliveries are in which state: ("jobs", "failed") -> 2."""
        with self._reading() as connection:
            return {
                (table.name, state): count
                for table in (jobs, deliveries)
                for state, count in connection.execute(select(table.c.state, func.count()).group_by(table.c.state))
            }

    def oldest(self, now: float) -> dict[str, float]:
        """Seconds that the oldest study, and the oldest result, have been waiting; 0 where none does."""
        with self._reading() as connection:
            waits = {
                "jobs": select(func.min(jobs.c.created_at)).where(jobs.c.state.in_(("collecting", "running"))),
                "deliveries": select(func.min(deliveries.c.created_at)).where(deliveries.c.state == "pending"),
            }
            since = {name: connection.execute(query).scalar() for name, query in waits.items()}
            return {name: now - at if at is not None else 0.0 for name, at in since.items()}

    def failed_jobs(self) -> list[tuple[str, int, str]]:
        """Study, attempts and problem of every job that was left to a person."""
        query = select(jobs.c.study_uid, jobs.c.attempts, jobs.c.problem).where(jobs.c.state == "failed").order_by(jobs.c.id)
        with self._reading() as connection:
            return [(study, attempts, problem) for study, attempts, problem in connection.execute(query)]

    def dead_letters(self) -> list[tuple[int, str, str, str]]:
        """Number, destination, study and reason of every delivery that was given up."""
        columns = (deliveries.c.id, deliveries.c.destination, deliveries.c.study_uid, deliveries.c.reason)
        with self._reading() as connection:
            query = select(*columns).where(deliveries.c.state == "dead").order_by(deliveries.c.id)
            return [(number, name, study, reason) for number, name, study, reason in connection.execute(query)]

    def again(self, now: float) -> int:
        """Evaluate failed studies again, and return how many there were."""
        with self._engine.begin() as connection:
            values = {"state": "collecting", "ready_at": now, "attempts": 0}
            return connection.execute(update(jobs).where(jobs.c.state == "failed").values(**values)).rowcount

    def forget(self, before: float) -> list[str]:
        """Remove studies that were done, and all of whose results were delivered, before a time; returns their files."""
        unsent = select(deliveries.c.job_id).where((deliveries.c.state != "sent") | (deliveries.c.sent_at >= before))
        old = select(jobs.c.id, jobs.c.study_uid).where((jobs.c.state == "done") & (jobs.c.updated_at < before) & jobs.c.id.not_in(unsent))
        with self._engine.begin() as connection:
            found = connection.execute(old).all()
            ids, studies = [row[0] for row in found], [row[1] for row in found]
            of_jobs, of_studies = deliveries.c.job_id.in_(ids), instances.c.study_uid.in_(studies)
            files = [*connection.execute(select(deliveries.c.file).where(of_jobs)).scalars()]
            files += connection.execute(select(instances.c.file).where(of_studies)).scalars()
            connection.execute(delete(deliveries).where(of_jobs))
            connection.execute(delete(instances).where(of_studies))
            connection.execute(delete(jobs).where(jobs.c.id.in_(ids)))
            return files

    def files(self) -> set[str]:
        """Every file that something still refers to."""
        with self._reading() as connection:
            return {name for table in (instances, deliveries) for name in connection.execute(select(table.c.file)).scalars()}

    def _set(self, delivery_id: int, **values: Any) -> None:  # noqa: ANN401  columns of the table
        with self._engine.begin() as connection:
            connection.execute(update(deliveries).where(deliveries.c.id == delivery_id).values(**values))


def _received(row: RowMapping) -> Received:
    return Received(**{name: row[name] for name in Received.__dataclass_fields__ if name in row}, expected=0)


def _durable(connection: Any, _: object) -> None:  # noqa: ANN401  the driver's own connection
    """What is committed survives a power cut, readers do not wait for writers, and transactions begin where SQLAlchemy says."""
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _immediate(connection: Connection) -> None:
    """A transaction may write from its beginning: nothing that it has read can change before it commits."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")
