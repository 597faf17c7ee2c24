"""From the ledger to the destination: sent, sent again, buried, sent again by a person; and who is slow delays nobody else."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import contextmanager

import pytest
from pydicom.uid import Comprehensive3DSRStorage

from service.gateway import delivery
from service.gateway.config import Retry
from service.gateway.errors import DeliveryError, PermanentError
from service.gateway.ledger import Ledger
from tests.service.gateway.peers import UNCLOSED, free_port, raw, scp, storescp, website
from tests.service.gateway.results import CANARY, CANARY_ID, Desk, archive, hook, objects, web

OK = (200, {}, b"")


@contextmanager
def delivering(deliverer):
    """The deliverer in threads, until the block ends."""
    stop = threading.Event()
    thread = threading.Thread(target=deliverer.run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(20)
        assert not thread.is_alive()


def until(happened, limit_s=10.0):
    end = time.monotonic() + limit_s
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_webhook_gets_the_bytes_and_their_name(tmp_path):
    desk = Desk(tmp_path)
    with website(OK) as site:
        desk.put(b'{"study": "1"}', hook(site.port), sop_uid="1.2.3")
        assert desk.deliverer(hook(site.port)).step()
    ((path, headers, body),) = site.requests
    assert (path, body) == ("/results", b'{"study": "1"}')
    assert (headers["Content-Type"], headers["Idempotency-Key"]) == ("application/json", "1.2.3")
    assert (desk.row()["state"], desk.row()["sent_at"]) == ("sent", 1000)
    assert desk.observed == [("hook", "webhook", "delivered")]


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (201, "delivered"), (204, "delivered"), (408, "postponed"), (425, "postponed"), (429, "postponed"), (500, "postponed"),
        (503, "postponed"), (400, "buried"), (404, "buried"), (410, "buried"), (301, "buried"),
    ],
)  # fmt: skip
def test_what_a_webhook_answers(tmp_path, status, outcome):
    desk = Desk(tmp_path)
    with website((status, {}, b"")) as site:
        desk.put(b"{}", hook(site.port), sop_uid="1.2.3")
        assert desk.deliverer(hook(site.port)).step()
    assert desk.observed == [("hook", "webhook", outcome)]


def test_the_wait_doubles_and_the_last_attempt_is_the_last(tmp_path):
    desk = Desk(tmp_path, Retry(first_s=5, attempts=3))
    destination = hook(free_port())
    deliverer = desk.deliverer(destination)
    desk.put(b"{}", destination, sop_uid="1.2.3")
    waits = []
    for _ in range(3):
        assert deliverer.step()
        waits.append(desk.row()["next_at"] - desk.now)
        assert not deliverer.step()
        desk.now += 100
    assert waits[:2] == [5, 10]
    row = desk.row()
    assert (row["state"], row["attempts"], row["reason"]) == ("dead", 3, "no answer: ConnectError")
    assert [outcome for _, _, outcome in desk.observed] == ["postponed", "postponed", "buried"]


def test_a_person_sends_a_dead_letter_again(tmp_path):
    desk = Desk(tmp_path)
    with website((404, {}, b""), OK) as site:
        deliverer = desk.deliverer(hook(site.port))
        desk.put(b"{}", hook(site.port), sop_uid="1.2.3")
        assert deliverer.step()
        assert (desk.row()["state"], desk.row()["reason"]) == ("dead", "HTTP status 404")
        desk.now += 1e6
        assert not deliverer.step()
        assert desk.ledger.resend([desk.row()["id"]], desk.now) == 1
        assert deliverer.step()
    assert (desk.row()["state"], desk.row()["attempts"]) == ("sent", 1)


def test_what_a_process_took_that_died_is_sent_by_the_next(tmp_path):
    desk = Desk(tmp_path, Retry(attempts=2))
    with website(OK) as site:
        desk.put(b"{}", hook(site.port), sop_uid="1.2.3")
        desk.ledger.take_delivery(desk.now, 6 * desk.timeout_s, ["hook"])
        deliverer = desk.deliverer(hook(site.port))
        assert not deliverer.step()
        desk.now += 6 * desk.timeout_s
        assert deliverer.step()
    assert desk.row()["state"] == "sent"


def test_what_is_being_sent_stays_taken_and_what_is_let_go_is_anybodys_when_its_lease_ends(tmp_path):
    desk = Desk(tmp_path)
    desk.put(b"{}", hook(1), sop_uid="1.2.3")
    taken = desk.ledger.take_delivery(desk.now, 10, ["hook"])
    for _ in range(3):
        desk.now += 9
        assert desk.ledger.take_delivery(desk.now, 10, ["hook"]) is None
        desk.ledger.renew_deliveries(desk.now + 10)
    desk.ledger.let_go(taken)
    desk.now += 9
    desk.ledger.renew_deliveries(desk.now + 10)
    desk.now += 2
    assert desk.ledger.take_delivery(desk.now, 10, ["hook"]) is not None


def test_what_kills_every_process_that_sends_it_is_buried(tmp_path):
    desk = Desk(tmp_path, Retry(attempts=2))
    with website(OK) as site:
        desk.put(b"{}", hook(site.port), sop_uid="1.2.3")
        for _ in range(2):
            assert desk.ledger.take_delivery(desk.now, 10, ["hook"])
            desk.now += 10
        assert desk.deliverer(hook(site.port)).step()
    assert (desk.row()["state"], site.requests) == ("dead", [])
    assert "2 attempts had no end" in desk.row()["reason"]


def test_a_file_that_is_gone_is_buried(tmp_path):
    desk = Desk(tmp_path)
    desk.put(b"{}", hook(1), sop_uid="1.2.3")
    desk.spool.remove(desk.row()["file"])
    assert desk.deliverer(hook(1)).step()
    assert (desk.row()["state"], desk.row()["reason"]) == ("dead", "its file is gone from the spool")


def test_a_fault_of_ours_may_pass_and_tells_no_value(tmp_path, monkeypatch, caplog):
    def fail(*_):
        raise ValueError(CANARY)

    monkeypatch.setitem(delivery.SENDERS, "webhook", fail)
    desk = Desk(tmp_path)
    desk.put(b"{}", hook(1), sop_uid="1.2.3")
    with caplog.at_level(logging.DEBUG):
        assert desk.deliverer(hook(1)).step()
    assert (desk.row()["state"], desk.row()["reason"]) == ("pending", "ValueError")
    assert CANARY not in caplog.text


@UNCLOSED
def test_nothing_says_who_the_patient_is(tmp_path, caplog):
    """Whatever happens: neither the ledger nor any logger at any level."""
    echo = b"refused: " + CANARY.encode() + CANARY_ID.encode()
    data, desk = objects()[0], Desk(tmp_path)
    with (
        caplog.at_level(logging.DEBUG),
        website(*[(status, {}, echo) for status in (400, 500, 200, 409)]) as site,
        scp(lambda _: 0xC000, Comprehensive3DSRStorage) as refusing,
        storescp(tmp_path / "pacs") as taking,
    ):
        destinations = [web(site.port, f"web{number}") for number in range(4)]
        destinations += [archive(refusing, "refusing"), archive(taking, "taking"), archive(free_port(), "absent")]
        desk.put(data, *destinations)
        while desk.deliverer(*destinations).step():
            pass
    assert sorted(row["state"] for row in desk.rows()) == ["dead", "dead", "dead", "pending", "pending", "pending", "sent"]
    told = caplog.text + "".join(row["reason"] for row in desk.rows())
    assert not [part for part in (*CANARY.split("^"), CANARY_ID) if part in told]


def test_a_reason_fits_the_ledger():
    assert all(len(str(kind("x" * 1000))) == 500 for kind in (DeliveryError, PermanentError))


def test_who_is_slow_holds_up_nobody(tmp_path):
    desk = Desk(tmp_path, timeout_s=4)
    with raw(None) as silent, website(OK) as site:
        slow, fast = archive(silent, "slow"), hook(site.port)
        for number in range(3):
            desk.put(objects()[0], slow, sop_uid=f"1.{number}")
            desk.put(b"{}", fast, sop_uid=f"2.{number}")
        with delivering(desk.deliverer(slow, fast)):
            until(lambda: len(site.requests) == 3)
            assert [each for each in desk.observed if each[0] == "slow"] == []
    assert [row["state"] for row in desk.rows() if row["destination"] == "hook"] == ["sent"] * 3


def test_what_is_due_later_is_sent_later_and_a_ledger_that_fails_for_a_while_stops_nobody(tmp_path, monkeypatch, caplog):
    desk, broken = Desk(tmp_path), [True, True]
    take = Ledger.take_delivery

    def failing(*arguments):
        if broken:
            broken.pop()
            raise OSError(CANARY)
        return take(*arguments)

    monkeypatch.setattr(Ledger, "take_delivery", failing)
    monkeypatch.setattr(delivery, "IDLE_S", 0.05)
    with website(OK) as site, delivering(desk.deliverer(hook(site.port))):
        until(lambda: not broken)
        desk.put(b"{}", hook(site.port), sop_uid="1.2.3")
        until(lambda: desk.rows()[0]["state"] == "sent")
    assert CANARY not in caplog.text
