"""What a person sees of the ledger, and what it forgets."""

from __future__ import annotations

from sqlalchemy import delete, func, select

from service.gateway.ledger.database import Database
from service.gateway.ledger.tables import deliveries, instances, jobs


class Overview(Database):
    """Counts, ages, failures, and the end of what is old."""

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

    def forget(self, before: float) -> list[str]:
        """Remove studies that were done, and all of whose results were delivered, before a time; returns their files."""
        unsent = select(deliveries.c.job_id).where((deliveries.c.state != "sent") | (deliveries.c.sent_at >= before))
        old = select(jobs.c.id, jobs.c.study_uid).where((jobs.c.state == "done") & (jobs.c.updated_at < before) & jobs.c.id.not_in(unsent))
        with self._writing() as connection:
            found = connection.execute(old.with_for_update(skip_locked=True)).all()  # of these, nothing can arrive meanwhile
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
