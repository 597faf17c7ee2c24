"""Who is next, who is let in, and who is dropped: the rules, on a clock that the tests turn."""

from __future__ import annotations

import math
import random

import pytest

from service.errors import DeadlineError, OverloadedError
from service.waiting.duration import Duration, Inflow
from service.waiting.forecast import Forecast
from service.waiting.lines import PASSED_PER_OWED
from tests.service.waiting.world import BATCH, ROUTINE, STAT, World


async def test_the_more_urgent_class_overtakes():
    world = World()
    for number, priority in enumerate((BATCH, ROUTINE, BATCH, STAT, ROUTINE, STAT)):
        world.come(priority=priority, name=(priority.word, number))
    assert world.serve(6) == [("stat", 3), ("stat", 5), ("routine", 1), ("routine", 4), ("batch", 0), ("batch", 2)]


async def test_within_a_class_the_earliest_deadline_is_next_and_then_who_came_first():
    world = World()
    for name, within_s in (("late", 90.0), ("first of two", 50.0), ("second of two", 50.0), ("soon", 20.0), ("whenever", math.inf)):
        world.come(within_s=within_s, name=name)
    assert world.serve(5) == ["soon", "first of two", "second of two", "late", "whenever"]


@pytest.mark.parametrize("took", [{"a": 1.0, "b": 1.0}, {"a": 5.0, "b": 1.0}, {"a": 1.0, "b": 8.0}])
async def test_a_flood_on_one_model_leaves_the_other_half_of_the_time(took):
    world = World()
    for _ in range(200):
        world.come("a")
    spent = dict.fromkeys(took, 0.0)
    world.come("b")
    for _ in range(80):
        (model,) = world.serve(1, took)
        spent[model] += took[model]
        if model == "b":
            world.come("b")  # one at a time, while the other waits by the hundred
    assert spent["a"] / spent["b"] == pytest.approx(1, abs=0.3)


async def test_a_model_that_was_idle_has_saved_up_nothing():
    world = World()
    for _ in range(60):
        world.come("a")
    world.serve(40)
    for _ in range(20):
        world.come("b")
    assert sorted(world.serve(10)) == ["a"] * 5 + ["b"] * 5


async def test_a_run_that_took_longer_than_predicted_is_charged_what_it_took():
    world = World()
    for model in "ab" * 20:
        world.come(model)
    assert world.serve(2, {"a": 9.0, "b": 1.0}) in (["a", "b"], ["b", "a"])
    assert world.serve(5) == ["b"] * 5


async def test_who_was_let_in_and_is_on_the_way_is_ahead_at_the_door_and_not_in_the_line():
    world = World(2)
    with world.lines.expecting("a", ROUTINE), world.lines.expecting("b", ROUTINE):
        assert world.lines.forecast("a", STAT).wait_s == 0
        assert world.lines.forecast("a", ROUTINE).wait_s == pytest.approx(1.0)  # one of its own and one of the other's, by two
        world.join("a", within_s=0.5, name="first")
        assert world.serve(1) == ["first"]
    assert world.lines.forecast("a", ROUTINE).wait_s == 0


async def test_who_was_let_in_with_room_to_spare_is_not_refused_in_the_line_for_want_of_that_room():
    world = World()
    world.busy()
    for _ in range(3):
        world.come()
    with pytest.raises(OverloadedError):
        world.come(within_s=6.9)  # 1.5 times four seconds of waiting, and one of its own
    assert world.join(within_s=5.1)
    with pytest.raises(OverloadedError):
        world.join(within_s=5.5)


async def test_stat_is_refused_only_where_it_is_predicted_to_be_late():
    world = World()
    world.busy()
    for _ in range(3):
        world.come(priority=STAT)
    assert world.come(priority=STAT, within_s=5.1)
    with pytest.raises(OverloadedError):
        world.come(priority=STAT, within_s=5.9)


async def test_a_quick_model_beside_counts_as_what_it_has_and_gets_and_no_more():
    world = World(2)
    world.lines.line("quick").duration = Duration(0.01)
    for _ in range(10):
        world.come("slow")
    alone_s = world.lines.forecast("slow", ROUTINE).wait_s
    world.come("quick")
    assert alone_s == pytest.approx(5.0)
    assert world.lines.forecast("slow", ROUTINE).wait_s == pytest.approx(5.0, abs=0.02)


async def test_who_left_and_who_is_too_late_is_dropped_before_it_is_served_and_told_why():
    world = World()
    world.busy()
    gone, late, doomed, good = world.come(), world.come(within_s=5.0), world.come(within_s=9.5), world.come(within_s=60.0, name="good")
    gone.who.answer.cancel()
    world.now += 9.0  # the third has half a second left, and a run takes one
    assert world.serve(4) == ["good"]
    for each in (late, doomed):
        assert isinstance(each.who.answer.exception(), DeadlineError)
    assert sorted(world.dropped) == [("a", "expired"), ("a", "expired"), ("a", "left")]
    assert good.who.answer.done() is False


async def test_a_place_that_is_given_up_is_free_at_once_and_counted_once():
    world = World(max_queue_size=1)
    world.busy()
    place = world.come()
    with pytest.raises(OverloadedError) as refused:
        world.come()
    assert refused.value.reason == "queue_full"
    world.lines.leave(place)
    world.lines.leave(place)
    world.come(name="next")
    assert (world.dropped, world.serve(1)) == ([("a", "left")], ["next"])


async def test_the_bound_counts_only_those_ahead_in_ones_own_line():
    world = World(max_queue_size=2)
    world.busy()
    for priority in (BATCH, ROUTINE, ROUTINE):
        world.come(priority=priority)
    for priority in (BATCH, ROUTINE):
        with pytest.raises(OverloadedError):
            world.come(priority=priority)
    world.come(priority=STAT)
    world.come("b")


@pytest.mark.parametrize("servers", [1, 2, 4])
async def test_the_wait_is_what_runs_and_what_is_ahead_shared_by_the_servers(servers):
    world = World(servers, guess_s=2.0)
    for _ in range(servers):
        world.busy()
    world.now += 0.5
    for priority in (ROUTINE, ROUTINE, BATCH):
        world.come(priority=priority)
    left = servers * 1.5
    waits = [world.lines.forecast("a", each).wait_s * servers for each in (STAT, ROUTINE)]
    assert waits == pytest.approx([left, left + 4 + 4 / PASSED_PER_OWED])  # batch has its share while routine waits
    assert world.lines.forecast("a", BATCH).wait_s * servers > left + 6


async def test_the_wait_grows_with_the_more_urgent_work_that_comes_of_late():
    world = World(servers=2)
    for _ in range(100):  # half of what two servers can do
        world.come("b", STAT)
        world.serve(1)
    for _ in range(2):
        world.busy()
    waits = [world.lines.forecast("a", priority).wait_s for priority in (STAT, ROUTINE)]
    assert waits == pytest.approx([1.0, 2.0], rel=0.1)
    for _ in range(100):  # more than they can
        world.come("b", STAT)
    served = world.lines.forecast("a", ROUTINE).wait_s
    assert served == pytest.approx(10 * 51.0, rel=0.1), "no more than tenfold: the class is not shut out"


async def test_the_wait_for_another_model_is_no_more_than_its_turns():
    world = World(guess_s=1.0)
    world.busy()
    for _ in range(50):
        world.come("a")
    assert world.lines.forecast("b", ROUTINE).wait_s == pytest.approx(2.0)  # the one that runs, and one of the fifty
    world.come("b", within_s=4.0)
    assert world.serve(2)[0] in {"a", "b"}
    assert "b" in world.served[:2]


async def test_nobody_waits_for_a_server_that_is_free():
    world = World(2)
    world.busy()
    assert world.lines.forecast("a", ROUTINE) == Forecast(0.0, 1.0)


async def test_what_would_be_late_is_refused_at_once_and_told_truly_when_to_come_again():
    world = World()
    world.busy()
    for _ in range(8):
        world.come(within_s=30.0)
    with pytest.raises(OverloadedError) as refused:
        world.come(within_s=3.0)
    assert (refused.value.reason, refused.value.retry_after_s) == ("predicted_wait", pytest.approx(9.0))
    assert len(world.lines) == 8
    world.now += 1.0
    world.lines.end(next(iter(world.lines._served)))
    world.serve(math.ceil(refused.value.retry_after_s) - 1)
    assert world.come(within_s=3.0, name="again")
    assert world.serve(1) == ["again"]


async def test_who_would_wait_for_nobody_is_let_in_whatever_was_estimated():
    world = World(guess_s=100.0)
    world.come(within_s=2.0)
    assert world.serve(1) == ["a"]
    assert world.lines.line("a").duration.mean_s == 1.0, "and so a wrong estimate is corrected"


@pytest.mark.parametrize("load", [1.2, 5.0])
async def test_under_overload_the_server_rests_never_and_what_was_let_in_is_in_time(load):
    world, chance, deadlines, in_time = World(), random.Random(7), {}, 0  # noqa: S311
    arrival, end = world.now, world.now + 800

    def arrive(until):
        nonlocal arrival
        while arrival <= until and arrival < end:
            world.now = arrival
            deadlines[len(deadlines)] = arrival + chance.choice((6.0, 12.0, 20.0))
            try:
                world.come(chance.choice("abcd"), within_s=deadlines[len(deadlines) - 1] - arrival, name=len(deadlines) - 1)
            except OverloadedError:
                del deadlines[len(deadlines) - 1]
            arrival += chance.expovariate(load)
        world.now = until

    busy_s = 0.0
    while arrival < end or len(world.lines):
        place = world.lines.next()
        if place is None:
            arrive(max(arrival, world.now))
            continue
        began, took = world.lines.begin([place]), chance.uniform(0.8, 1.2)
        arrive(world.now + took)
        world.lines.end(began)
        busy_s += took
        in_time += world.now <= deadlines[place.who.name]
    assert in_time / len(deadlines) >= 0.98
    assert busy_s / (world.now - 100) >= (0.93 if load < 2 else 0.99)
    world.come(within_s=1.0, name="after")
    assert world.serve(1) == ["after"], "nothing is left of the overload"


async def test_companions_come_from_the_same_line_in_its_order():
    world = World()
    for name, model, priority in (("r1", "a", ROUTINE), ("b", "b", STAT), ("r2", "a", ROUTINE), ("s", "a", STAT), ("x", "a", BATCH)):
        world.come(model, priority, name=name)
    world.lines.line("b").served_s[STAT] = 1.0
    first = world.lines.next()
    together = [first, *world.lines.companions(first, 2)]
    assert [place.who.name for place in together] == ["s", "r1", "r2"]


def test_a_duration_forgets_its_guess_and_knows_what_nine_in_ten_take():
    duration = Duration(50.0)
    for seconds in [1.0] * 45 + [3.0] * 5:
        duration.observe(seconds)
    assert duration.mean_s < 3.0
    assert duration.p90_s == 3.0
    for _ in range(100):
        duration.observe(8.0, requests=4)
    assert (duration.mean_s, duration.p90_s) == (pytest.approx(2.0, abs=0.01), 8.0)


def test_an_inflow_is_of_late():
    inflow = Inflow()
    for second in range(100):
        inflow.add(0.5, float(second))
    assert inflow.per_second(100.0) == pytest.approx(0.5, rel=0.1)
    assert inflow.per_second(150.0) < 0.01
