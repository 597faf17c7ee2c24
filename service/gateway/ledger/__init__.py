"""What the gateway knows: instances received, one job a study, and what is to be delivered where.

Every hand-over is one transaction. A job or a delivery that somebody has taken is theirs until a lease ends; then it is anybody's again.
It is a file of SQLite in the spool, or a database of PostgreSQL that several gateways share.
"""

from service.gateway.ledger.database import problem_with
from service.gateway.ledger.deliveries import Deliveries
from service.gateway.ledger.jobs import Jobs
from service.gateway.ledger.overview import Overview
from service.gateway.ledger.records import Delivery, DeliveryState, Job, JobState, Made, Received, Relative
from service.gateway.ledger.tables import PRIORITIES


class Ledger(Jobs, Deliveries, Overview):
    """All of it; several threads and processes may use it at once."""


__all__ = ["PRIORITIES", "Delivery", "DeliveryState", "Job", "JobState", "Ledger", "Made", "Received", "Relative", "problem_with"]
