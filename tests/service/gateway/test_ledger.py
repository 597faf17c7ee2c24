"""The ledger in both databases: who takes what, until when, and what happens to it when its taker is gone."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine

from service.gateway.ledger import Ledger, Made, Received
from service.gateway.ledger.tables import metadata
from tests.service.gateway.postgres import cluster

Opened = Callable[[], Ledger]


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    with cluster() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def open_ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opened]:
    """Opens a ledger on one database that is empty at first, as each of several processes does."""
    opened: list[Ledger] = []
    where: Any = tmp_path / "ledger.sqlite"
    if request.param == "postgresql":
        where = request.getfixturevalue("postgres")
        engine = create_engine(where)
        metadata.drop_all(engine)
        engine.dispose()

    def another() -> Ledger:
        opened.append(Ledger(where))
        return opened[-1]

    yield another
    for each in opened:
        each.close()


def instance(study: str, number: int = 1, sha256: str = "0") -> Received:
    names, file = (study, f"{study}.9", f"{study}.{number}", "1.2", "1.2.1"), f"{study}.{number}.{sha256}.dcm"
    return Received(*names, sha256, file, 3 << 30, "CHIASM", "CT")


def at_once(*tasks: Callable[[], Any]) -> list[Any]:
    """What each returns, all begun together."""
    results: list[Any] = [None] * len(tasks)
    barrier = threading.Barrier(len(tasks))

    def run(place: int, task: Callable[[], Any]) -> None:
        barrier.wait()
        results[place] = task()

    threads = [threading.Thread(target=run, args=each) for each in enumerate(tasks)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_instances_that_come_at_once_by_several_processes_are_one_job(open_ledger: Opened) -> None:
    ledgers = [open_ledger() for _ in range(3)]
    sent = [instance("1.2", number % 4) for number in range(12)]
    spare = at_once(*(lambda each=each, ledger=ledgers[place % 3]: ledger.receive(each, 10.0, 5.0) for place, each in enumerate(sent)))
    assert sorted(each for each in spare if each) == sorted(f"1.2.{number % 4}.0.dcm" for number in range(4, 12))
    assert len(ledgers[0].instances_of("1.2")) == 4
    assert ledgers[1].counts() == {("jobs", "collecting"): 1}
    job = ledgers[2].take_job(20.0, 60.0)
    assert job is not None
    assert job.revision == 4


def test_every_study_is_taken_once_however_many_take(open_ledger: Opened) -> None:
    ledgers = [open_ledger() for _ in range(4)]
    for number in range(20):
        ledgers[0].receive(instance(f"1.2.{number}"), 10.0, 5.0)

    def take_all(ledger: Ledger) -> list[str]:
        taken = []
        while job := ledger.take_job(20.0, 60.0):
            taken.append(job.study_uid)
            assert ledger.finish_job(job, [Made("pacs", f"{job.study_uid}.r", "r.dcm")], 21.0) == []
        return taken

    taken = [study for some in at_once(*(lambda ledger=each: take_all(ledger) for each in ledgers)) for study in some]
    assert sorted(taken) == sorted(f"1.2.{number}" for number in range(20))
    delivered = at_once(*(lambda ledger=each: deliver_all(ledger) for each in ledgers))
    assert sorted(uid for some in delivered for uid in some) == sorted(f"1.2.{number}.r" for number in range(20))
    assert ledgers[0].counts() == {("jobs", "done"): 20, ("deliveries", "sent"): 20}


def deliver_all(ledger: Ledger) -> list[str]:
    taken = []
    while delivery := ledger.take_delivery(30.0, 60.0, ["pacs"]):
        taken.append(delivery.sop_uid)
        ledger.delivered(delivery, 31.0)
    return taken


def test_what_nobody_renews_is_taken_by_another_and_makes_one_result(open_ledger: Opened) -> None:
    slow, next_one = open_ledger(), open_ledger()
    slow.receive(instance("1.2"), 10.0, 5.0)
    lost = slow.take_job(20.0, 60.0)
    assert lost is not None
    slow.renew(100.0)
    assert next_one.take_job(99.0, 60.0) is None
    job = next_one.take_job(101.0, 60.0)
    assert job is not None
    assert (job.study_uid, job.attempts) == ("1.2", 2)
    slow.renew(500.0)
    assert slow.finish_job(lost, [Made("pacs", "9.1", "slow.dcm")], 110.0) == ["slow.dcm"], "it has lost the study"
    slow.fail_job(lost, 110.0, "too late")
    assert next_one.finish_job(job, [Made("pacs", "9.1", "next.dcm")], 120.0) == []
    assert next_one.finish_job(job, [Made("pacs", "9.1", "again.dcm")], 120.0) == ["again.dcm"]
    assert slow.counts() == {("jobs", "done"): 1, ("deliveries", "pending"): 1}
    assert slow.files() == {"1.2.1.0.dcm", "next.dcm"}


def test_what_comes_while_its_study_is_forgotten_is_not_lost(open_ledger: Opened) -> None:
    one, other = open_ledger(), open_ledger()
    for number in range(10):
        study = f"1.2.{number}"
        one.receive(instance(study), 10.0, 5.0)
        job = one.take_job(20.0, 60.0)
        assert job is not None
        one.finish_job(job, [], 30.0)
        at_once(lambda: one.forget(100.0), lambda study=study: other.receive(instance(study, 2), 100.0, 5.0))
        assert [each.sop_uid for each in one.instances_of(study)][-1] == f"{study}.2"
        assert ("jobs", "collecting") in one.counts()
        job = one.take_job(200.0, 60.0)
        assert job is not None
        assert job.study_uid == study
        one.finish_job(job, [], 30.0)


def test_the_urgent_study_goes_first_and_an_unsorted_one_before_it(open_ledger: Opened) -> None:
    ledger = open_ledger()
    for study in ("1.1", "1.2", "1.3"):
        ledger.receive(instance(study), 10.0, 5.0)
    ledger.prioritise("1.1", "routine")
    ledger.prioritise("1.2", "stat")
    assert ledger.unsorted() == ["1.3"]
    taken = [ledger.take_job(20.0, 60.0) for _ in range(3)]
    assert [job.study_uid for job in taken if job] == ["1.3", "1.2", "1.1"]


def test_results_for_a_destination_that_is_gone_become_visible(open_ledger: Opened) -> None:
    ledger = open_ledger()
    ledger.receive(instance("1.2"), 10.0, 5.0)
    job = ledger.take_job(20.0, 60.0)
    assert job is not None
    ledger.finish_job(job, [Made("pacs", "9.1", "a.dcm"), Made("gone", "9.1", "b.dcm")], 30.0)
    assert ledger.bury_strays(["pacs"], "no such destination") == 1
    ((number, name, study, reason),) = ledger.dead_letters()
    assert (name, study, reason) == ("gone", "1.2", "no such destination")
    assert ledger.resend([number], 40.0) == 1


def test_a_ledger_of_an_older_version_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    ledger = Ledger(path)
    ledger.receive(instance("1.2"), 10.0, 5.0)
    ledger.close()
    with sqlite3.connect(path) as connection:
        for table, column in (("jobs", "owner"), ("jobs", "arrived_at"), ("instances", "modality"), ("instances", "study_date")):
            connection.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
    connection.close()
    ledger = Ledger(path)
    job = ledger.take_job(20.0, 60.0)
    assert job is not None
    assert ledger.instances_of("1.2")[0].modality == ""
    ledger.close()
