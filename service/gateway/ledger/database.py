"""The database under the ledger: SQLite in one file, or PostgreSQL; what the two do differently stands here."""

from __future__ import annotations

import contextlib
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Table, create_engine, event, func, inspect, make_url, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.schema import CreateColumn

from service.gateway.ledger.tables import metadata

UPGRADE = "chiasm ledger"  # names the lock under which tables are made
CONNECTIONS = 10  # kept open to PostgreSQL; so many again where threads are many


class Database:
    """A connection to the ledger, by a file or by a URL such as ``postgresql+pg8000://gateway@db/chiasm``."""

    def __init__(self, where: Path | str) -> None:
        url = make_url(f"sqlite:///{where}" if isinstance(where, Path) else where)
        self.shared = url.get_backend_name() != "sqlite"  # several processes work on it side by side
        self.owner = uuid.uuid4().hex  # of the jobs that this process has taken
        self._turn = threading.Lock()  # SQLite lets writers sleep and try again: the unlucky one of five waits half a second
        self._insert: Callable[[Table], postgresql.Insert | sqlite.Insert]
        if self.shared:
            self._insert = postgresql.insert
            self._engine: Engine = create_engine(url, pool_size=CONNECTIONS, max_overflow=CONNECTIONS, pool_pre_ping=True)
        else:
            self._insert = sqlite.insert
            self._engine = create_engine(url, connect_args={"timeout": 30})
            event.listen(self._engine, "connect", _durable)
            event.listen(self._engine, "begin", _immediate)
        with self._writing() as connection:
            self._alone(connection, UPGRADE)
            metadata.create_all(connection)
            _add_columns(connection)

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    def _reading(self) -> Connection:
        """A connection that takes no lock."""
        return self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")

    @contextlib.contextmanager
    def _writing(self) -> Iterator[Connection]:
        """One transaction."""
        with contextlib.nullcontext() if self.shared else self._turn, self._engine.begin() as connection:
            yield connection

    def _alone(self, connection: Connection, name: str) -> None:
        """Until the transaction ends, nobody else is past this point for the same name. SQLite has one writer anyway."""
        if self.shared:
            connection.execute(select(func.pg_advisory_xact_lock(func.hashtext(name))))


def problem_with(url: str) -> str:
    """Why a database cannot be used, in one word; empty where it can. Nothing is changed in it."""
    try:
        engine = create_engine(url)
        with engine.connect() as connection:
            connection.execute(select(1))
        engine.dispose()
    except (SQLAlchemyError, OSError) as error:
        return type(error).__name__
    return ""


def _add_columns(connection: Connection) -> None:
    """What a ledger of an older version lacks; every new column has a default."""
    looked = inspect(connection)
    for table in metadata.sorted_tables:
        there = {column["name"] for column in looked.get_columns(table.name)}
        for column in table.columns:
            if column.name not in there:
                definition = CreateColumn(column).compile(dialect=connection.dialect)
                connection.exec_driver_sql(f"ALTER TABLE {table.name} ADD COLUMN {definition}")


def _durable(connection: Any, _: object) -> None:  # noqa: ANN401  the driver's own connection
    """What is committed survives a power cut, readers do not wait for writers, and transactions begin where SQLAlchemy says."""
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _immediate(connection: Connection) -> None:
    """A transaction may write from its beginning: nothing that it has read can change before it commits."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")
