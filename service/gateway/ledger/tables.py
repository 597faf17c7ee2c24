"""The tables of the ledger. Times are seconds since 1970."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, ForeignKey, Index, Integer, MetaData, String, Table, UniqueConstraint

PRIORITIES = {"stat": 0, "routine": 1, "batch": 2}
metadata = MetaData()

instances = Table(
    "instances", metadata,
    Column("id", Integer, primary_key=True),
    Column("study_uid", String(64), nullable=False),
    Column("series_uid", String(64), nullable=False),
    Column("sop_uid", String(64), nullable=False),
    Column("sop_class", String(64), nullable=False),
    Column("transfer_syntax", String(64), nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("file", String(64), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("called", String(16), nullable=False),
    Column("calling", String(16), nullable=False),
    Column("received_at", Float, nullable=False),
    Column("patient", String(64), nullable=False, server_default=""),  # a digest, where studies are joined
    Column("study_date", String(8), nullable=False, server_default=""),
    Column("modality", String(16), nullable=False, server_default=""),
    UniqueConstraint("study_uid", "sop_uid"),
    Index("instances_patient", "patient"),
)  # fmt: skip

jobs = Table(
    "jobs", metadata,
    Column("id", Integer, primary_key=True),
    Column("study_uid", String(64), nullable=False, unique=True),
    Column("state", String(16), nullable=False),
    Column("priority", Integer),  # empty: nobody has looked at it
    Column("revision", Integer, nullable=False),  # counts what has arrived: see Ledger.finish_job
    Column("ready_at", Float, nullable=False),
    Column("lease_until", Float, nullable=False, default=0.0),
    Column("attempts", Integer, nullable=False, default=0),
    Column("problem", String(500), nullable=False, default=""),  # never a value of a file
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
    Column("arrived_at", Float, nullable=False, server_default="0"),  # the last instance
    Column("owner", String(32), nullable=False, server_default=""),  # the process that has taken it
    Index("jobs_due", "state", "priority", "ready_at"),
)  # fmt: skip

deliveries = Table(
    "deliveries", metadata,
    Column("id", Integer, primary_key=True),
    Column("job_id", ForeignKey("jobs.id"), nullable=False),
    Column("study_uid", String(64), nullable=False),
    Column("destination", String(64), nullable=False),
    Column("sop_uid", String(64), nullable=False),
    Column("file", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("next_at", Float, nullable=False),
    Column("reason", String(500), nullable=False, default=""),
    Column("created_at", Float, nullable=False),
    Column("sent_at", Float),
    UniqueConstraint("destination", "sop_uid"),
    Index("deliveries_due", "state", "next_at"),
)  # fmt: skip
