"""Each thread that runs networks has a core of its own while all of them are taken, and any core while one is free."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from service.engine.cores import Homes

ANY = {0, 1}


@pytest.fixture
def moved(monkeypatch):
    """What the threads ask of the system: (thread, cores)."""
    asked = []
    monkeypatch.setattr(os, "sched_setaffinity", lambda _, cores: asked.append((threading.get_ident(), set(cores))))
    return asked


def side_by_side(homes, *, full, threads):
    """One run in each of two threads, which wait for each other."""
    together = threading.Barrier(2)
    runs = [threads.submit(homes.placed(lambda number: (together.wait(5), number)[1], full=full), number) for number in range(2)]
    assert [run.result() for run in runs] == [0, 1]


def test_each_keeps_to_its_core_while_all_are_taken_and_asks_once(moved):
    homes = Homes(2, ANY)
    with ThreadPoolExecutor(2) as threads:
        for _ in range(3):
            side_by_side(homes, full=True, threads=threads)
        assert sorted(min(cores) for _, cores in moved) == [0, 1]
        assert len({thread for thread, _ in moved}) == len(moved) == 2
        side_by_side(homes, full=False, threads=threads)
    assert [cores for _, cores in moved[2:]] == [ANY, ANY]


def test_where_a_core_was_always_free_nothing_is_asked(moved):
    with ThreadPoolExecutor(2) as threads:
        side_by_side(Homes(2, ANY), full=False, threads=threads)
    assert not moved


@pytest.mark.parametrize("threads", [0, 1, 3])
def test_as_many_threads_as_cores_or_no_homes(threads):
    assert Homes(threads, ANY).placed(len, full=True) is len


def test_on_one_core_there_is_nothing_to_choose():
    assert Homes(1, {0}).placed(len, full=True) is len


def test_a_core_that_the_container_has_lost_costs_no_answer(monkeypatch):
    def refuse(*_):
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(os, "sched_setaffinity", refuse)
    assert Homes(2, ANY).placed(len, full=True)([1, 2, 3]) == 3
