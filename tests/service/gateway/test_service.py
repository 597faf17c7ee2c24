"""What the gateway tells the service, and does with its answer."""

from __future__ import annotations

import pytest

from service.gateway.service import LaterError, Question, Service
from tests.service.gateway.peers import website


@pytest.mark.parametrize("priority", ["stat", "routine", "batch"])
def test_a_service_that_is_overloaded_is_asked_again_when_it_says_with_the_same_priority(priority):
    with website((503, {"Retry-After": "7"}, b"{}")) as site:
        service = Service(f"http://127.0.0.1:{site.port}")
        with pytest.raises(LaterError) as later:
            service.evaluate(Question("bmd", [b"file"], priority=priority))
        service.close()
    ((path, headers, _),) = site.requests
    assert (path, headers["X-Priority"], later.value.after_s) == ("/predict/bmd", priority, 7.0)


@pytest.mark.parametrize(("maps", "asked"), [(False, "/predict/bmd"), (True, "/predict/bmd?objects=report%2Cpage%2Cmap")])
def test_maps_are_asked_for_by_name(maps, asked):
    with website((422, {}, b"{}")) as site:
        service = Service(f"http://127.0.0.1:{site.port}")
        service.evaluate(Question("bmd", [b"file"]), maps=maps)
        service.close()
    ((path, _, _),) = site.requests
    assert path == asked
