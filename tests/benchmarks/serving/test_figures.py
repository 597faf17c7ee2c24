"""The arithmetic of the comparison: what is counted, what is divided by what, and what counts as reached."""

import json

import numpy as np
import pytest

from benchmarks.serving.figures import Bare, Cell, Ratio, mean_ratio, quantile_ratio, throughput
from benchmarks.serving.goals import at_least, at_most, goals_of, if_enough
from benchmarks.serving.results import OtherSettingsError, Results, abba

SETTINGS = {"seconds": 1.0, "callers": 2}


def phase(name, number=0, *, ms=(10.0, 20.0), status=(200, 200), cpu_s=0.04, server="chiasm", **more):
    asked = {"model": "bmd", "payload": "small PNG", "server": server, "round": number, "phase": name, "of": "x"}
    at_s = [0.1 * (k + 1) for k in range(len(ms))]
    return {
        **asked, "ms": list(ms), "status": list(status), "at_s": at_s, "seconds": 1.0, "asked_s": 1.0, "cpu_s": cpu_s, "resident_mb": 9.0,
        **more,
    }  # fmt: skip


def whole(number=0, **given):
    return [phase(name, number, **given) for name in ("unloaded", "closed", "offered")]


def test_a_round_is_followed_by_the_same_backwards():
    assert [abba(("a", "b", "c"), number) for number in range(3)] == [["a", "b", "c"], ["c", "b", "a"], ["a", "b", "c"]]


def test_throughput_counts_from_when_all_callers_are_answered_to_the_end_of_the_phase():
    record = phase("closed", ms=[1.0] * 8, status=[200] * 8) | {"at_s": [0.1, 0.5, 0.6, 0.7, 0.8, 0.9, 1.1, 1.9]}
    assert throughput(record, callers=2) == pytest.approx(4 / 0.4)  # 0.5 to 0.9; what came after the second is drain


def test_a_phase_too_short_for_that_counts_everything_over_all_its_time():
    record = phase("closed", ms=[1.0] * 3, status=[200, 200, 503]) | {"seconds": 4.0}
    assert throughput(record, callers=2) == 0.5


def test_a_cell_takes_processor_time_by_answer_and_counts_what_failed():
    records = [*whole(0, cpu_s=0.04), *whole(1, cpu_s=0.06, status=(200, 503)), phase("unloaded", 2)]  # the third round is not whole
    cell = Cell.of(records, callers=2)
    assert cell.cpu_ms.tolist() == pytest.approx([20.0, 60.0])
    assert (cell.sent, cell.failed) == (12, 3)
    assert [list(each) for each in cell.closed_ms] == [[10.0, 20.0], [10.0]]
    assert Cell.of(records[:1], callers=2) is None


def test_a_ratio_is_ours_over_theirs_and_its_interval_holds_it():
    ours, theirs = np.array([20.0, 22.0, 18.0, 21.0]), np.array([10.0, 11.0, 9.0, 10.0])
    ratio = mean_ratio(ours, theirs)
    assert ratio.value == pytest.approx(81 / 40)
    assert ratio.low < ratio.value < ratio.high
    assert mean_ratio(2 * theirs, theirs) == Ratio(2.0, 2.0, 2.0)  # rounds are compared with the same rounds: their drift goes away


def test_a_ratio_of_quantiles_draws_whole_rounds():
    ratio = quantile_ratio([[1.0, 3.0], [1.0, 5.0]], [[2.0, 2.0], [2.0, 2.0]], 1.0)
    assert (ratio.value, ratio.low, ratio.high) == (2.5, 1.5, 2.5)
    empty = quantile_ratio([[1.0], []], [[2.0], []], 0.5)  # nothing came in a round: the others say what they can
    assert (empty.value, empty.low, empty.high) == (0.5, 0.5, 0.5)


@pytest.mark.parametrize(("ratio", "met"), [(Ratio(1.2, 1.01, 1.3), True), (Ratio(1.2, 0.99, 1.3), False), (Ratio(1.05, 1.01, 1.1), False)])
def test_ahead_of_a_peer_is_only_what_is_clearly_ahead(ratio, met):
    assert at_least("", ratio, 1.10, clear=True).met is met


def test_the_goals_of_a_cell():
    bare = Bare(read_ms=2.0, read_cpu_ms=2.0, run_ms=8.0, run_cpu_ms=8.0, per_s=np.array([100.0, 100.0]))
    ours = Cell(np.array([93.0, 93.0]), np.array([10.5, 10.5]), ([11.0], [11.0]), ([20.0], [22.0]), ([5.0], [5.0]), 4, 0, 9.0)
    plain = Cell(np.array([80.0, 80.0]), np.array([11.0, 11.0]), ([11.0], [11.0]), ([20.0], [22.0]), ([5.0], [10.0]), 4, 0, 9.0)
    found = {goal.about.partition(": ")[2]: goal for goal in goals_of("bmd, small PNG", "small PNG", ours, bare, {"plain": plain})}
    met = {about: goal.met for about, goal in found.items()}
    assert met == {
        "served / runs without a server": True,  # 0.93
        "unloaded p50 less reading and running (10.0 ms)": True,  # 1 ms of the 1.5 that are allowed
        "processor per request less reading and running": True,  # 0.5 ms
        "p99 / p50, closed loop": None,  # two latencies have no 99th percentile
        "throughput / plain": False,  # 1.16 of 1.30
        "p99 at equal load / plain": None,
    }
    assert found["throughput / plain"].found == "1.16 (1.16-1.16)"
    assert not at_most("", 1.5, 1.4).met
    assert if_enough(at_most("", 1.0, 1.4), [[1.0] * 60, [1.0] * 40]).met
    assert if_enough(at_most("", 1.0, 1.4), [[1.0] * 100], [[1.0] * 99]).met is None


def test_the_bare_run_is_the_faster_of_one_thread_and_all_cores():
    timed = {"ms": [4.0], "cpu_ms": [4.0]}
    record = {"read": timed, "run": {"ms": [9.0], "cpu_ms": [9.0]}, "run_wide": {"ms": [6.0], "cpu_ms": [11.0]}}
    bare = Bare.of([record | {"saturated": {"per_s": 30.0, "cpu_ms": 9.5}}])
    assert (bare.read_ms, bare.run_ms, bare.run_cpu_ms, bare.per_s.tolist()) == (4.0, 6.0, 9.5, [30.0])


def test_an_interrupted_run_goes_on_without_the_line_that_was_cut_off(tmp_path):
    file = tmp_path / "results.jsonl"
    for record in whole(0):
        Results(file, SETTINGS).add(record)
    file.write_text(file.read_text() + json.dumps(phase("unloaded", 1))[:40])
    again = Results(file, SETTINGS)
    assert ("bmd", "small PNG", "chiasm", 0, "offered", "x") in again
    assert ("bmd", "small PNG", "chiasm", 1, "unloaded", "x") not in again
    again.add(phase("unloaded", 1))
    assert len(Results(file, SETTINGS).records) == 4


def test_results_of_other_settings_are_not_mixed_in(tmp_path):
    file = tmp_path / "results.jsonl"
    Results(file, SETTINGS).add(phase("closed"))
    with pytest.raises(OtherSettingsError, match=r"seconds 1.0, now 2.0.*--fresh"):
        Results(file, SETTINGS | {"seconds": 2.0})
    assert Results(file, SETTINGS | {"seconds": 2.0}, fresh=True).records == []
