"""When a free server waits for a fuller batch, by the rule alone."""

import pytest

from service.waiting.patience import LONGEST_S, together, worth_waiting_s

GPU = {1: 0.0010, 2: 0.0012, 4: 0.0016, 8: 0.0024, 16: 0.0040, 32: 0.0072}  # 0.8 ms, and 0.2 ms for each
FLAT = {1: 0.010, 2: 0.020, 4: 0.040}  # batches cost what their parts cost
LONG = 60.0


@pytest.mark.parametrize(
    ("waiting", "run_s", "slack_s", "taken"),
    [
        (1, GPU, LONG, 1), (4, GPU, LONG, 4), (3, GPU, LONG, 3), (40, GPU, LONG, 32), (31, GPU, LONG, 31),
        (17, GPU, LONG, 16),  # 7.2 ms for 17 serve less in a second than 4 ms for 16
        (3, FLAT, LONG, 2), (4, FLAT, LONG, 4), (5, FLAT, LONG, 4),
        (32, GPU, 0.005, 16), (32, GPU, 0.001, 1), (32, GPU, 0.0001, 1), (3, GPU, 0.0015, 2),
        (5, {1: 0.1}, LONG, 1),
    ],
)  # fmt: skip
def test_as_many_run_together_as_serve_most_in_time(waiting, run_s, slack_s, taken):
    assert together(waiting, run_s, slack_s) == taken


@pytest.mark.parametrize(
    ("waiting", "arrivals_per_s", "slack_s", "wait_s"),
    [
        (1, 2000, LONG, 0.0002), (4, 3000, LONG, 0.0008), (5, 3000, LONG, 0.0008), (16, 4500, LONG, LONGEST_S),
        (1, 800, LONG, 0.0),  # 80 % busy with single ones: time is left
        (1, 860, LONG, 0.0002),
        (32, 9999, LONG, 0.0), (40, 9999, LONG, 0.0),  # full
        (1, 2000, 0.0013, 0.0), (1, 2000, 0.0015, 0.0002),  # two would be late
        (0, 9999, LONG, 0.0),
    ],
)  # fmt: skip
def test_it_pays_to_wait_only_when_saturated_in_time_and_not_full(waiting, arrivals_per_s, slack_s, wait_s):
    assert worth_waiting_s(waiting, GPU, arrivals_per_s, slack_s) == pytest.approx(wait_s)


def test_nobody_waits_where_a_larger_batch_costs_no_more():
    assert worth_waiting_s(1, {1: 0.001, 2: 0.001}, 9999, LONG) == 0.0


def test_nobody_waits_without_batches():
    assert worth_waiting_s(3, {}, 9999, LONG) == 0.0
    assert together(3, {1: 0.001}, LONG) == 1
