"""Who may send, and what is answered to whom may not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from service.gateway.admission import Admission
from service.gateway.config import Caller, GatewayConfigError, Receive
from tests.service.gateway.door import HERE, Door, association, echoscu, wait_until


def callers(*pairs: tuple[str, str]) -> dict[str, Any]:
    return {"any_caller": False, "callers": tuple(Caller(ae_title=title, address=address) for title, address in pairs)}


@pytest.mark.parametrize(("calling", "address", "refusal"), [
    ("CT", "10.0.0.9", None), ("MR", "10.1.2.3", None), ("MR", "10.1.2.4", "address_unknown"), ("MR", "::ffff:10.1.2.3", None),
    ("US", "192.168.7.200", None), ("US", "192.168.8.1", "address_unknown"), ("US", "fe80::1%eth0", None),
    ("US", "fe80:1::1", "address_unknown"), ("ct", "10.0.0.9", "caller_unknown"), ("", "10.0.0.9", "caller_unknown"),
])  # fmt: skip
def test_a_caller_is_known_by_title_and_by_address_where_one_is_given(calling: str, address: str, refusal: str | None) -> None:
    known = callers(("CT", ""), ("MR", "10.1.2.3"), ("US", "192.168.7.0/24"), ("US", "fe80::/64"))
    admission = Admission(Receive(**known, ae_titles=("CHIASM", "CHEST")))
    assert admission.refuses("CHEST", calling, address) == refusal
    assert admission.refuses("OTHER", calling, address) == "called_unknown"


def test_an_address_that_is_none_is_a_mistake_in_the_configuration() -> None:
    with pytest.raises(GatewayConfigError, match="MR: the address is no IP address"):
        Admission(Receive(**callers(("MR", "somewhere"))))


@pytest.mark.parametrize(("called", "calling", "address", "reason", "outcome"), [
    ("ANOTHER", "MODALITY", HERE, "Called AE Title Not Recognized", "called_unknown"),
    ("CHIASM", "STRANGER", HERE, "Calling AE Title Not Recognized", "caller_unknown"),
    ("CHEST", "MODALITY", "10.0.0.1", "Calling AE Title Not Recognized", "address_unknown"),
])  # fmt: skip
def test_a_rejection_says_why_and_is_counted(
    called: str, calling: str, address: str, reason: str, outcome: str, tmp_path: Path
) -> None:
    with Door(tmp_path, ae_titles=("CHIASM", "CHEST"), **callers(("MODALITY", address))) as door:
        answered = echoscu(door, called, calling)
        assert (answered.returncode, reason in answered.stderr) == (1, True)
        assert door.receiver.tally().associations == {outcome: 1}


def test_every_title_is_answered_to(tmp_path: Path) -> None:
    with Door(tmp_path, ae_titles=("CHIASM", "CHEST"), **callers(("MODALITY", HERE))) as door:
        assert [echoscu(door, called).returncode for called in ("CHIASM", "CHEST")] == [0, 0]


def test_one_association_too_many_is_asked_to_come_later(tmp_path: Path) -> None:
    with Door(tmp_path, max_associations=1) as door, association(door), association(door) as second:
        assert second.is_rejected
        assert second.acceptor.primitive.reason_str == "Local limit exceeded"
        wait_until(lambda: door.receiver.tally().associations == {"accepted": 1, "too_many": 1})
        assert door.receiver.tally().open == 1


def test_an_admission_that_fails_lets_nobody_in(tmp_path: Path) -> None:
    class Broken(Admission):
        def refuses(self, *_: Any, **__: Any) -> None:
            raise RuntimeError

    door = Door(tmp_path)
    door.receiver._admission = Broken(Receive(any_caller=True))
    with door, association(door) as sender:
        assert sender.is_rejected
