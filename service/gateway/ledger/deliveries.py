"""Results on their way."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import select, update

from service.gateway.ledger.database import Database
from service.gateway.ledger.records import Delivery
from service.gateway.ledger.tables import deliveries


class Deliveries(Database):
    """One delivery for each result and destination."""

    def __init__(self, where: Path | str) -> None:
        super().__init__(where)
        self._taken: set[int] = set()  # what this process is sending

    def take_delivery(self, now: float, lease_s: float, destinations: Sequence[str]) -> Delivery | None:
        """The delivery that has waited longest for one of these destinations; None where none is due."""
        due = (deliveries.c.state == "pending") & (deliveries.c.next_at <= now) & deliveries.c.destination.in_(destinations)
        with self._writing() as connection:
            query = select(deliveries).where(due).order_by(deliveries.c.next_at, deliveries.c.id).limit(1).with_for_update(skip_locked=True)
            row = connection.execute(query).mappings().first()
            if row is None:
                return None
            values = {"next_at": now + lease_s, "attempts": row["attempts"] + 1}
            connection.execute(update(deliveries).where(deliveries.c.id == row["id"]).values(**values))
            self._taken.add(row["id"])
            return Delivery(row["id"], row["destination"], row["sop_uid"], row["study_uid"], row["file"], row["attempts"] + 1)

    def let_go(self, delivery: Delivery) -> None:
        """It is not being sent any more: its lease ends by itself, unless it is noted what became of it."""
        self._taken.discard(delivery.id)

    def renew_deliveries(self, until: float) -> None:
        """Keep what this process is sending; what it has not renewed in time is anybody's."""
        if taken := list(self._taken):
            mine = (deliveries.c.state == "pending") & deliveries.c.id.in_(taken)
            with self._writing() as connection:
                connection.execute(update(deliveries).where(mine).values(next_at=until))

    def delivered(self, delivery: Delivery, now: float) -> None:
        """It arrived, and the receiver said so."""
        self._set(delivery.id, state="sent", sent_at=now, reason="")

    def retry_delivery(self, delivery: Delivery, at: float, reason: str) -> None:
        """It did not arrive for a reason that passes."""
        self._set(delivery.id, next_at=at, reason=reason)

    def bury_delivery(self, delivery: Delivery, reason: str) -> None:
        """It will never arrive as it is: a person has to see it."""
        self._set(delivery.id, state="dead", reason=reason)

    def bury_strays(self, destinations: Sequence[str], reason: str) -> int:
        """Give up what is to go to a destination that is none of these, and return how many there were: a person has to see it."""
        stray = (deliveries.c.state == "pending") & deliveries.c.destination.not_in(destinations)
        with self._writing() as connection:
            return connection.execute(update(deliveries).where(stray).values(state="dead", reason=reason)).rowcount

    def resend(self, ids: Sequence[int], now: float) -> int:
        """Send dead letters again, and return how many there were."""
        where = (deliveries.c.state == "dead") & deliveries.c.id.in_(ids)
        with self._writing() as connection:
            return connection.execute(update(deliveries).where(where).values(state="pending", next_at=now, attempts=0)).rowcount

    def _set(self, delivery_id: int, **values: Any) -> None:  # noqa: ANN401  columns of the table
        with self._writing() as connection:
            connection.execute(update(deliveries).where(deliveries.c.id == delivery_id).values(**values))
