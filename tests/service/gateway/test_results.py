"""Which of the service's objects go to which destination of a route."""

from __future__ import annotations

from service.gateway.service import Refused
from tests.service.gateway.test_worker import PACS, ROUTE, UIDS, Bench, FakeService, made
from tests.service.studies import hip_dicom


def test_maps_are_asked_for_where_a_destination_takes_them_and_go_to_no_other(tmp_path):
    service = FakeService((made("9.1"), made("9.2"), made("9.3"), made("9.4")))
    viewer = PACS | {"name": "other", "sends": ["report", "map"]}
    bench = Bench(tmp_path, service, routes=[ROUTE | {"destinations": ["pacs", "other"]}], destinations=[PACS, viewer])
    bench.receive(hip_dicom(**UIDS))
    bench.later()
    due = [(name, uid) for name, uid, _ in bench.due()]
    assert service.maps == [True]
    assert sorted(due) == [("other", "9.1"), ("other", "9.3"), ("other", "9.4"), ("pacs", "9.1"), ("pacs", "9.2")]


def test_a_refusal_has_no_map(tmp_path):
    service = FakeService(Refused("wrong_body_part", "no hip"))
    bench = Bench(tmp_path, service, destinations=[PACS | {"sends": ["map"]}])
    bench.receive(hip_dicom(**UIDS))
    bench.later()
    assert bench.due() == []
