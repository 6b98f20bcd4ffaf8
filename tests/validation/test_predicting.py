"""Predictions of failures in saves, which are noticed late: calibrated, as they struck, as planned, on average."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cprmodel.facts.errors import JobError
from cprmodel.facts.results import Breakdown
from cprmodel.facts.strategies import FailureKind, FailureMix
from cprmodel.simulation import Activity
from tests.validation.helpers import SHARDS, small
from tests.validation.test_experiment import SMALL
from validation.cli.experiment import report
from validation.events import read_events, sealed
from validation.experiment.compare import compare
from validation.experiment.comparisons import comparisons
from validation.experiment.costs import Costs
from validation.experiment.design import Experiment
from validation.experiment.measure import Measured, Position, Stop, measure
from validation.experiment.predict import executed, expected, planned, recommend
from validation.experiment.report import remarks, tables
from validation.experiment.runner import LOG, Runner
from validation.experiment.verdict import interval_90
from validation.failures import Failure, draw_failures
from validation.summary import Summary

SHARD = FailureKind.SHARD


def stop(reschedule_s: float, struck: Activity, after_s: float = 0.0) -> Stop:
    return Stop(Position(SHARD, (0,), struck, 3.0, after_s), (SHARD,), reschedule_s, 0.02, True)


def measured(*stops: Stop) -> Measured:
    found = Measured(Summary(), False, steps_s=[0.01], saves_s=[0.18, 0.22], stops=list(stops))
    found.positions = [one.struck for one in stops]
    return found


def test_stops_are_calibrated_by_what_was_struck() -> None:
    """By hand. Full: 0.04 and 0.06 at work; 0.05 + 0.12 with 0.15 of a save of 0.2 left, 0.05 + 0.04 with 0.05.

    Partial: 0.03 at work, 0.03 + 0.08 with 0.1 left. What passes unnoticed is 0.24 of 0.3 s in all. A stop that
    another failure cut short, and one that began in a recovery, tell nothing.
    """
    cut_short = replace(stop(9.0, Activity.WORK), complete=False)
    again = replace(stop(9.0, Activity.RECOVERY), kinds=(SHARD, SHARD))
    full = measured(
        stop(0.04, Activity.WORK), stop(0.17, Activity.SAVE, 0.05), cut_short, again,
        stop(0.06, Activity.WORK), stop(0.09, Activity.SAVE, 0.15),
    )  # fmt: skip
    partial = measured(stop(0.03, Activity.WORK), stop(0.11, Activity.SAVE, 0.1))
    costs = Costs.calibrated({("full", 5): full, ("partial", 8): partial}, [SHARD])
    assert costs.stops["full"][SHARD] == pytest.approx((0.05, 0.02))
    assert costs.stops["partial"][SHARD] == pytest.approx((0.03, 0.02))
    assert costs.unnoticed[Activity.SAVE] == {SHARD: pytest.approx(0.8)}
    assert Costs.from_dict(json.loads(json.dumps(costs.to_dict()))) == costs
    only = Costs.calibrated({("full", 5): measured(stop(0.17, Activity.SAVE, 0.05))}, [SHARD])
    assert only.stops["full"][SHARD][0] == pytest.approx(0.17)  # nothing else is known
    assert only.unnoticed[Activity.SAVE] == {SHARD: 0.0}
    with pytest.raises(JobError, match="one shard failure or more"):
        Costs.calibrated({("full", 5): measured(cut_short)}, [SHARD])


def test_late_notice_in_a_reading_is_calibrated() -> None:
    """By hand: 0.05 and 0.02 of a stop; struck 0.005 after reading began, the next one takes 0.012 longer to begin
    to read, with 0.015 left; another 0.003 longer with 0.005 left. One that struck before reading tells nothing.
    Nor does one that came when reading was over, for which the trainer had waited: those of a recovery that reads
    for a shorter time than failures are drawn from had made the share twice as large, and more than 1."""

    def again(reschedule_s: float, reading_s: float) -> tuple[Stop, Stop]:
        first = replace(stop(0.05, Activity.WORK), load_s=reading_s, complete=False)
        position = Position(SHARD, (1,), Activity.RECOVERY, 3.0, 0.05 + reading_s, reading_s)
        return first, Stop(position, (SHARD, SHARD), reschedule_s, 0.02, True)

    found = measured(
        stop(0.05, Activity.WORK), *again(0.062, 0.005), *again(0.053, 0.015), *again(9.0, 0.0), *again(9.0, 0.03)
    )  # fmt: skip
    costs = Costs.calibrated({("full", 5): found}, [SHARD])
    assert costs.stops["full"][SHARD] == pytest.approx((0.05, 0.02))
    assert costs.unnoticed[Activity.RECOVERY] == {SHARD: pytest.approx(0.015 / 0.02)}
    assert Costs.from_dict(json.loads(json.dumps(costs.to_dict()))) == costs


def test_how_much_longer_shards_read_together_is_calibrated() -> None:
    """By hand: one reads for 0.02 and 0.03 s, two for 0.04 and three for 0.06: 0.05 for three more. Their stops are
    no others' mean. Where all shards read whatever failed, they do after each failure."""

    def reads(readers: int, load_s: float, reschedule_s: float = 0.05) -> Stop:
        return replace(stop(reschedule_s, Activity.WORK), load_s=load_s, readers=readers)

    partial = measured(reads(1, 0.02), reads(2, 0.04, 0.09), reads(1, 0.03), reads(3, 0.06, 0.09))
    full = measured(reads(3, 0.05), reads(3, 0.07))
    costs = Costs.calibrated({("full", 5): full, ("partial", 8): partial}, [SHARD])
    assert costs.stops["partial"][SHARD] == pytest.approx((0.05, 0.025))
    assert costs.stops["full"][SHARD] == pytest.approx((0.05, 0.06))
    assert costs.together == {"partial": (1, pytest.approx(0.05 / 3))}
    assert Costs.from_dict(json.loads(json.dumps(costs.to_dict()))) == costs


def test_a_calibration_on_a_slower_machine_says_the_same_in_steps() -> None:
    """Two runs alike, the second one in twice the time: in steps saves and stops are those of the first alone."""
    struck = Position(SHARD, (1,), Activity.RECOVERY, 3.0, 0.055, 0.005)
    again = Stop(struck, (SHARD, SHARD), 0.06, 0.02, True)
    runs = []
    for times in (1.0, 2.0):
        stops = [stop(0.05, Activity.WORK), stop(0.17, Activity.SAVE, 0.05), stop(0.05, Activity.WORK), again]
        stops = [
            replace(
                one,
                struck=replace(
                    one.struck, after_s=times * one.struck.after_s, reading_s=times * one.struck.reading_s
                ),
                reschedule_s=times * one.reschedule_s,
                load_s=times * one.load_s,
            )
            for one in stops
        ]
        run = Measured(Summary(), False, steps_s=[times * 0.01], saves_s=[times * 0.2], stops=stops)
        run.written = [((times * 0.04, times * 0.08), times * 0.12)]
        runs.append(run)
    first, both = (
        Costs.calibrated({("full", steps): run for steps, run in zip((5, 8), some, strict=False)}, [SHARD])
        for some in (runs[:1], runs)
    )
    assert both.step_s == pytest.approx(0.015)
    assert both.save_s("full", 8) / both.step_s == pytest.approx(first.save_s("full", 5) / first.step_s)
    for mine, other in zip(both.stops["full"][SHARD], first.stops["full"][SHARD], strict=True):
        assert mine / both.step_s == pytest.approx(other / first.step_s)
    assert both.void_until == {"full": {SHARD: pytest.approx(first.void_until["full"][SHARD])}}
    for activity in (Activity.SAVE, Activity.RECOVERY):
        assert both.unnoticed[activity][SHARD] == pytest.approx(first.unnoticed[activity][SHARD])


def test_how_long_a_save_is_void_is_calibrated() -> None:
    """By hand: two shards that have written after 0.04 and 0.08 of 0.16 s, and 0.1 and 0.2 of 0.4; manifests after
    0.12 and 0.3. A third save's log does not say."""
    found = replace(measured(stop(0.05, Activity.WORK)), saves_s=[0.16, 0.4, 0.3])
    found.written = [((0.04, 0.08), 0.12), ((0.2, 0.1), 0.3), None]
    known = {("full", 5): found}
    assert Costs.calibrated(known, [SHARD]).void_until == {"full": {SHARD: pytest.approx(0.375)}}
    assert Costs.calibrated(known, [SHARD], 2.0).void_until == {
        "full": {SHARD: pytest.approx(0.5)}
    }  # the later one
    known["partial", 5] = replace(found, written=[((0.08, 0.08), 0.12), None, None])  # its own
    both = Costs.calibrated(known, [SHARD])
    assert both.void_until == {"full": {SHARD: pytest.approx(0.375)}, "partial": {SHARD: pytest.approx(0.5)}}
    mix = FailureMix(mtbf_s=1.0)
    assert both.void_s("full", 5, mix) / both.save_s("full", 5) == pytest.approx(0.375)
    assert both.void_s("partial", 5, mix) / both.save_s("partial", 5) == pytest.approx(0.5)
    once = both.to_dict() | {"void_until": {"shard": 0.4}}  # a log of before
    assert Costs.from_dict(once).void_until == {"full": {SHARD: 0.4}, "partial": {SHARD: 0.4}}
    trainers = replace(found, stops=[replace(one, kinds=(FailureKind.TRAINER,)) for one in found.stops])
    until = Costs.calibrated({("full", 5): trainers}, [FailureKind.TRAINER]).void_until
    assert until == {"full": {FailureKind.TRAINER: pytest.approx(0.75)}}
    assert Costs.calibrated({("full", 5): measured(*found.stops)}, [SHARD]).void_until == {"full": {SHARD: 1.0}}


def test_costs_that_were_written_down_before_have_no_late_notice() -> None:
    costs = Costs(0.01, {"full": {5: 0.2}}, {"full": {SHARD: (0.05, 0.02)}})
    old = costs.to_dict()
    for key in ("unnoticed", "unnoticed_reading", "void_until", "together", "went_on"):
        del old[key]
    assert Costs.from_dict(old) == costs


@pytest.mark.parametrize("recovery", ["full", "partial"])
def test_a_failure_in_a_save_stops_for_longer(recovery: str) -> None:
    """By hand: work of 40 steps of 0.01 s, saves of 0.2 s every 8. Of the second save's rest of 0.15 s 0.8 passes.

    That save's 0.05 s are lost. A failure after step 20 stops for 0.05 s as ever. One that comes 0.1 s after that
    in the save ends its stop, and begins one of its own.
    """
    case = small(strategy={"recovery": recovery, "interval_steps": 8}, journal=False)
    costs = Costs(0.01, {recovery: {8: 0.2}}, {recovery: {SHARD: (0.05, 0.02)}}, {Activity.SAVE: {SHARD: 0.8}})
    at = {
        "save": Position(SHARD, (1,), Activity.SAVE, 16.0, 0.05),
        "work": Position(SHARD, (1,), Activity.WORK, 20.0),
        "late": Position(SHARD, (1,), Activity.SAVE, 16.0, 0.05),
        "again": Position(SHARD, (2,), Activity.RECOVERY, 16.0, 0.1),
    }
    told, left = executed(case, costs, [at["save"]])
    assert left == 0
    assert told.spent.reschedule == pytest.approx(0.05 + 0.8 * 0.15)
    assert told.spent.load == pytest.approx(0.02)
    back = 0.08 if recovery == "full" else 0.0  # eight steps since the save before
    assert told.spent.lost == pytest.approx(0.05 + back)
    told, left = executed(case, costs, [at["work"]])
    assert (told.spent.reschedule, left) == (pytest.approx(0.05), 0)
    told, left = executed(case, costs, [at["late"], at["again"]])
    assert (told.spent.reschedule, left) == (pytest.approx(0.1 + 0.05), 0)
    # the same by the clock: two intervals and a save take 0.36 s
    told = planned(case, costs, [Failure(SHARD, (1,), at_s=0.41)])
    assert told.spent.reschedule == pytest.approx(0.05 + 0.8 * 0.15)
    told = planned(case, costs, [Failure(SHARD, (1,), at_s=0.41), Failure(SHARD, (2,), at_s=0.51)])
    assert told.spent.reschedule == pytest.approx(0.1 + 0.05)


@pytest.mark.parametrize("recovery", ["full", "partial"])
def test_a_failure_in_a_reading_stops_for_longer(recovery: str) -> None:
    """By hand: stops of 0.05 s and 0.04 s to read. 0.01 s into that comes a failure: 0.5 of 0.03 s passes.

    Where it struck 0.01 s into reading it does so, too, though the real stop had taken longer to begin with it. One
    that strikes before reading begins is noticed at once.
    """
    case = small(strategy={"recovery": recovery, "interval_steps": 8}, journal=False)
    late = {Activity.RECOVERY: {SHARD: 0.5}}
    costs = Costs(0.01, {recovery: {8: 0.2}}, {recovery: {SHARD: (0.05, 0.04)}}, late)
    work = Position(SHARD, (1,), Activity.WORK, 20.0)
    reading = Position(SHARD, (2,), Activity.RECOVERY, 20.0, 0.09, 0.01)
    before = Position(SHARD, (2,), Activity.RECOVERY, 20.0, 0.03)
    told, left = executed(case, costs, [work, reading])
    assert (told.spent.reschedule, left) == (pytest.approx(0.05 + 0.05 + 0.5 * 0.03), 0)
    assert told.spent.load == pytest.approx(0.01 + 0.04)
    told, left = executed(case, costs, [work, before])
    assert (told.spent.reschedule, left) == (pytest.approx(0.03 + 0.05), 0)
    # the stop that is struck late is as long as it is then: 0.01 s into its reading another one strikes
    told, left = executed(case, costs, [work, reading, reading, work])
    assert (told.spent.reschedule, left) == (pytest.approx(4 * 0.05 + 2 * 0.5 * 0.03), 0)
    # the same by the clock
    told = planned(case, costs, [Failure(SHARD, (1,), at_s=0.05), Failure(SHARD, (2,), at_s=0.11)])
    assert told.spent.reschedule == pytest.approx(0.05 + 0.05 + 0.5 * 0.03)


def test_shards_that_read_together_take_longer() -> None:
    """By hand: a stop of 0.05 s and 0.04 s to read; of two shards 0.05. Who fails while another one
    reads, reads alone, and so does one that fails twice."""
    case = small(strategy={"recovery": "partial", "interval_steps": 8}, journal=False)
    costs = Costs(0.01, {"partial": {8: 0.2}}, {"partial": {SHARD: (0.05, 0.04)}}, together={"partial": (1, 0.01)})
    work = Position(SHARD, (1,), Activity.WORK, 20.0)
    before = Position(SHARD, (2,), Activity.RECOVERY, 20.0, 0.03)
    same = replace(before, shards=(1,))
    reading = replace(before, after_s=0.06, reading_s=0.01)
    later = replace(work, steps=24.0)
    for positions, load_s in (
        ([work], 0.04),
        ([work, before], 0.05),
        ([work, same], 0.04),
        ([work, reading], 0.01 + 0.04),
        ([work, before, reading], 0.01 + 0.04),
        ([work, before, replace(before, shards=(0,))], 0.06),
        ([work, before, later], 0.05 + 0.04),
    ):
        told, left = executed(case, costs, positions)
        assert (told.spent.load, left) == (pytest.approx(load_s), 0)
    # the same by the clock
    told = planned(case, costs, [Failure(SHARD, (1,), at_s=0.05), Failure(SHARD, (2,), at_s=0.08)])
    assert told.spent.load == pytest.approx(0.05)


def lived(recovery: str, mtbf_s: float, void_s: float, rng: np.random.Generator) -> tuple[Breakdown, float]:
    """Forty steps of 0.01 s on three shards, saves of 0.06 s every eight, stops of 0.01 and 0.02 s: step by step.

    A save that is struck after ``void_s`` counts. Under partial recovery the step under way goes on.
    """
    parts, struck = dict.fromkeys(Breakdown._fields, 0.0), float(rng.exponential(mtbf_s))
    done = saved = lost = 0
    kept = [0] * SHARDS

    def passes(seconds: float) -> float:
        """How much of it passes until a failure strikes."""
        nonlocal struck
        if struck >= seconds:
            struck -= seconds
            return seconds
        until, struck = struck, float(rng.exponential(mtbf_s))
        return until

    def fail() -> None:
        nonlocal lost
        if recovery == "partial":
            victim = int(rng.integers(SHARDS))
            lost, kept[victim] = lost + done - kept[victim], done

    def stop() -> None:
        nonlocal done
        fail()
        while True:
            waited = passes(0.01)
            parts["reschedule"] += waited
            if waited == 0.01:
                read = passes(0.02)
                parts["load"] += read
                if read == 0.02:
                    break
            fail()
        if recovery == "full":
            parts["lost"] += 0.01 * (done - saved)
            done = saved

    while done < 40:
        if done % 8 == 0 and saved < done:
            written = passes(0.06)
            if written < void_s:
                parts["lost"] += written
            else:
                parts["save"] += 0.06
                saved, kept = done, [done] * SHARDS
            if written < 0.06:
                stop()
            continue
        left = 0.01
        while left > 0:
            worked = passes(left)
            if worked == left:
                done, left = done + 1, 0.0
            elif recovery == "full":
                parts["lost"] += 0.01 - left + worked
                stop()
                break
            else:
                left -= worked
                stop()
    return Breakdown(**parts), lost / (40 * SHARDS)


@pytest.mark.parametrize(("recovery", "void"), [("full", 0.4), ("partial", 0.4), ("partial", 1.0)])
def test_saves_that_count_though_they_were_struck_are_expected(recovery: str, void: float) -> None:
    """Each part and the PLS: the mean of 4,000 runs, lived step by step, within three standard errors."""
    case = small(strategy={"recovery": recovery, "interval_steps": 8}, journal=False)
    saves, stops = {recovery: {8: 0.06}}, {recovery: {SHARD: (0.01, 0.02)}}
    costs = Costs(0.01, saves, stops, void_until={recovery: {SHARD: void}})
    mix = FailureMix(mtbf_s=0.3)
    said, rng = expected(case, costs, mix), np.random.default_rng(2)
    runs = [lived(recovery, 0.3, void * 0.06, rng) for _ in range(4000)]

    def mean(of: list[float]) -> tuple[float, float]:
        return float(np.mean(of)), float(np.std(of, ddof=1)) / len(of) ** 0.5

    for part in Breakdown._fields:
        found, error = mean([getattr(spent, part) for spent, _ in runs])
        assert getattr(said.spent, part) == pytest.approx(found, abs=3 * error + 1e-12), part
    found, error = mean([pls for _, pls in runs])
    assert said.pls == pytest.approx(found, abs=3 * error)
    if void < 1:  # which would not hold without it
        without, quantity = expected(case, replace(costs, void_until={}), mix), recovery == "partial"
        found, error = mean([pls if quantity else spent.lost for spent, pls in runs])
        assert (without.pls if quantity else without.spent.lost) > found + 6 * error


def test_the_recommendation_knows_that_struck_saves_may_count() -> None:
    """Within the budget as it is expected there, though no step further; it had stayed below it."""
    case = small(strategy={"recovery": "partial", "interval_steps": 8}, data={"samples": 600 * 32}, journal=False)
    saves, stops = {"partial": {8: 0.06, 100: 0.06}}, {"partial": {SHARD: (0.01, 0.002)}}
    mix = FailureMix(mtbf_s=0.4)

    def steps(costs: Costs) -> int:
        return round(recommend(case, costs, mix, 0.1).interval_s / costs.step_s)

    def pls(interval: int, costs: Costs) -> float:
        strategy = case.strategy.model_copy(update={"interval_steps": interval})
        return expected(case.model_copy(update={"strategy": strategy}), costs, mix).pls

    plain = Costs(0.01, saves, stops)
    counting = replace(plain, void_until={"partial": {SHARD: 0.5}})
    assert steps(counting) > steps(plain)
    assert pls(steps(counting), counting) <= 0.1 * 1.01 < pls(steps(counting) + 3, counting)


@pytest.mark.parametrize("recovery", ["full", "partial"])
def test_the_expectation_is_the_mean_of_plays(recovery: str) -> None:
    """Failures drawn 800 times: their stops on average are those expected, within four standard errors.

    The play follows each failure to where it strikes; the expectation takes the shares of saves and of reading in
    the time.
    """
    case = small(strategy={"recovery": recovery, "interval_steps": 8}, journal=False)
    late = {Activity.SAVE: {SHARD: 0.8}, Activity.RECOVERY: {SHARD: 0.5}}
    costs = Costs(0.01, {recovery: {8: 0.06}}, {recovery: {SHARD: (0.01, 0.01)}}, late)
    mix = FailureMix(mtbf_s=0.4)
    said = expected(case, costs, mix)
    found = []
    for seed in range(800):
        told = planned(case, costs, draw_failures(mix, SHARDS, 20.0, seed, in_steps=False))
        found.append(told.spent.reschedule)
    error = float(np.std(found, ddof=1)) / len(found) ** 0.5
    assert said.spent.reschedule == pytest.approx(float(np.mean(found)), abs=4 * error)
    none = expected(case, replace(costs, unnoticed={}), mix).spent.reschedule
    assert none < float(np.mean(found)) - 6 * error  # which would not hold without it


def test_what_goes_on_in_stops_at_work_is_calibrated_and_expected() -> None:
    """By hand: stops of 0.03 and 0.05 s, in which 0.02 and 0.01 s of a step went on. In a save nothing does.

    Played: a stop at work is the shorter one, another one is not. On average over 800 plays likewise.
    """
    at_work = [
        replace(stop(seconds, Activity.WORK), went_on_s=more) for seconds, more in ((0.03, 0.02), (0.05, 0.01))
    ]
    found = measured(*at_work, stop(0.055 + 0.08, Activity.SAVE, 0.1))
    costs = Costs.calibrated({("partial", 8): found}, [SHARD])
    assert costs.stops["partial"][SHARD] == pytest.approx((0.055, 0.02))
    assert costs.went_on == {"partial": {SHARD: pytest.approx(0.015)}}
    assert costs.unnoticed[Activity.SAVE] == {SHARD: pytest.approx(0.8)}
    assert Costs.from_dict(json.loads(json.dumps(costs.to_dict()))) == costs

    case = small(strategy={"recovery": "partial", "interval_steps": 8}, journal=False)
    costs = Costs(
        0.01, {"partial": {8: 0.06}}, {"partial": {SHARD: (0.03, 0.01)}}, went_on={"partial": {SHARD: 0.012}}
    )
    work, save = Position(SHARD, (1,), Activity.WORK, 20.0), Position(SHARD, (1,), Activity.SAVE, 16.0, 0.05)
    before = Position(SHARD, (2,), Activity.RECOVERY, 20.0, 0.01)
    assert executed(case, costs, [work])[0].spent.reschedule == pytest.approx(0.018)
    assert executed(case, costs, [save])[0].spent.reschedule == pytest.approx(0.03)
    assert executed(case, costs, [work, before])[0].spent.reschedule == pytest.approx(0.01 + 0.03)

    mix = FailureMix(mtbf_s=0.2)
    plays = [planned(case, costs, draw_failures(mix, SHARDS, 20.0, seed, in_steps=False)) for seed in range(800)]
    found_s = [one.spent.reschedule for one in plays]
    error = float(np.std(found_s, ddof=1)) / len(found_s) ** 0.5
    assert expected(case, costs, mix).spent.reschedule == pytest.approx(float(np.mean(found_s)), abs=4 * error)
    none = expected(case, replace(costs, went_on={}), mix).spent.reschedule
    assert none > float(np.mean(found_s)) + 6 * error  # which would not hold without it


def test_work_that_is_done_again_goes_on_in_stops_too() -> None:
    """Half of the failures take everybody back: 800 plays on average, within four standard errors."""
    strategy = {"recovery": "partial", "interval_steps": 16}
    case = small(
        strategy=strategy, journal=False, data={"samples": 32 * 160, "batch_size": 32, "test_samples": 200}
    )
    stops = dict.fromkeys(FailureKind, (0.03, 0.01))
    costs = Costs(0.01, {"partial": {16: 0.03}}, {"partial": stops}, went_on={"partial": {SHARD: 0.02}})
    mix = FailureMix(mtbf_s=0.3, whole_job_share=0.5, shard_share=0.5)
    plays = [planned(case, costs, draw_failures(mix, SHARDS, 60.0, seed, in_steps=False)) for seed in range(800)]
    found = [one.spent.reschedule for one in plays]
    error = float(np.std(found, ddof=1)) / len(found) ** 0.5
    assert expected(case, costs, mix).spent.reschedule == pytest.approx(float(np.mean(found)), abs=4 * error)


def test_that_shards_read_together_is_expected() -> None:
    """Readings of failures drawn 1,500 times, within four standard errors of what is expected."""
    case = small(strategy={"recovery": "partial", "interval_steps": 8}, journal=False)
    stops = {"partial": {SHARD: (0.04, 0.01)}}
    costs = Costs(0.01, {"partial": {8: 0.06}}, stops, together={"partial": (1, 0.01)})
    mix = FailureMix(mtbf_s=0.2)
    found = [
        planned(case, costs, draw_failures(mix, SHARDS, 20.0, seed, in_steps=False)).spent.load
        for seed in range(1500)
    ]
    error = float(np.std(found, ddof=1)) / len(found) ** 0.5
    assert expected(case, costs, mix).spent.load == pytest.approx(float(np.mean(found)), abs=4 * error)
    none = expected(case, replace(costs, together={}), mix).spent.load
    assert none < float(np.mean(found)) - 6 * error  # which would not hold without it


@pytest.fixture(scope="module")
def timed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seeds in real time, calibrated by the first."""
    folder = tmp_path_factory.mktemp("timed") / "out"
    section = {
        "seeds": 2,
        "calibrate": "once",
        "calibration_failures": 2,
        "calibration_gap_s": 0.2,
        "paired": False,
        "strategies": [{"recovery": "partial", "interval_steps": [20]}],
    }
    data = {**SMALL["data"], "samples": 600 * 32}
    experiment = Experiment.from_mapping(
        {**SMALL, "data": data, "failures": {"mtbf_steps": 100.0}, "experiment": section}
    )
    assert isinstance(experiment, Experiment)
    Runner(experiment, folder).run()
    return folder


def test_calibration_strikes_readings_and_learns_when_saves_count(timed: Path) -> None:
    """In real runs: a failure came as a shard read, and each save says when every shard had written its part."""
    events = list(read_events(timed / "seed-01" / "calibrate-partial-20" / "events.jsonl"))
    assert any(event["event"] == "failure" and event["phase"] == "recovery" for event in events)
    found = measure(events)
    assert any(position.reading_s for position in found.positions)
    assert {one.readers for one in found.stops if one.complete} >= {1, 2}
    assert len(found.written) == len(found.saves_s) > 0
    for save_s, written in zip(found.saves_s, found.written, strict=True):
        assert written is not None
        shards_s, whole_s = written
        assert len(shards_s) == SHARDS
        assert 0 < min(shards_s) <= max(shards_s) <= whole_s <= save_s
    (costs,) = [event["costs"] for event in read_events(timed / LOG) if event["event"] == "calibrated"]
    assert costs["void_until"].keys() == {"partial"}
    assert 0 < costs["void_until"]["partial"]["shard"] < 1
    assert costs["unnoticed_reading"].keys() == {"shard"}
    assert costs["together"].keys() == {"partial"}


def test_the_report_says_whether_useful_time_is_that_of_steps(timed: Path) -> None:
    """By hand: of 600 steps of 10 ms 5.97 s are useful, of another run 6.03; 4 and 8 ms of a step went on in stops.

    One that struck a save is none of these.
    """
    outcome = compare(timed)
    runs = outcome.tried()
    assert len(runs) == 2
    stops = [replace(stop(0.05, Activity.WORK), went_on_s=seconds) for seconds in (0.004, 0.008)]
    stops.append(stop(0.05, Activity.SAVE))
    found = [
        Measured(run.measured.summary, False, useful_s=useful_s, steps_s=[0.01, 0.01], stops=some)
        for run, useful_s, some in zip(runs, (5.97, 6.03), (stops, []), strict=True)
        if run.measured is not None
    ]
    by_hand = [replace(run, measured=one, executed=None) for run, one in zip(runs, found, strict=True)]
    (table,) = [one for one in tables(replace(outcome, runs=by_hand)) if one["title"].startswith("Useful time")]
    assert table["rows"] == [("partial", "1.0000", "0.9950 to 1.0050", "0.60 steps")]


def test_costs_of_before_are_compared_with_rescheduling_as_it_was_then(timed: Path, tmp_path: Path) -> None:
    """Where they know of nothing that goes on in stops, that is rescheduling; the time to train is what it was."""
    shutil.copytree(timed, tmp_path / "old")
    lines = []
    for entry in read_events(timed / LOG):
        if entry["event"] == "predicted":
            del entry["costs"]["went_on"]
        lines.append(sealed(entry))
    (tmp_path / "old" / LOG).write_text("".join(lines))
    went_on = 0.0
    for now, then in zip(compare(timed).tried(), compare(tmp_path / "old").tried(), strict=True):
        assert now.measured is not None
        assert then.measured is not None
        assert not any(one.went_on_s for one in then.measured.stops)
        all_s = sum(one.went_on_s for one in now.measured.stops)
        assert then.measured.parts["reschedule"] - now.measured.parts["reschedule"] == pytest.approx(all_s)
        assert then.measured.time_to_train_s == pytest.approx(now.measured.time_to_train_s)
        went_on += abs(all_s)
    assert went_on > 0


def test_the_report_says_how_late_failures_were(timed: Path) -> None:
    """By hand: at work 1 and 3 ms, in a void save 7, in a stop 12 and 22, of an overhead of 0.4 s."""
    work, save, stop = (
        Position(SHARD, (0,), one, 3.0) for one in (Activity.WORK, Activity.SAVE, Activity.RECOVERY)
    )
    late = [(work, 0.001), (work, 0.003), (save, 0.007), (stop, 0.012), (stop, 0.022)]
    outcome = compare(timed)
    found = Measured(Summary(), False, useful_s=1.0, positions=[replace(one, late_s=s) for one, s in late])
    found.parts["reschedule"] = 0.4
    (run, *others) = outcome.tried()
    alone = replace(outcome, runs=[replace(run, measured=found, executed=None)])
    (table,) = [one for one in tables(alone) if one["title"] == "How late failures were"]
    assert table["rows"] == [
        ("partial: work", 2, "2 ms", ""),
        ("partial: a save, which is void", 1, "7 ms", "+1.2%"),  # 5 of 400
        ("partial: a stop", 2, "17 ms", "+7.5%"),  # 30 of 400
    ]
    assert any("calibrated once, for all seeds" in line for line in remarks(outcome))
    each = outcome.experiment.experiment.model_copy(update={"calibrate": "each"})
    other = replace(outcome, experiment=outcome.experiment.model_copy(update={"experiment": each}))
    assert not any("calibrated once" in line for line in remarks(other))
    (real,) = [one for one in tables(outcome) if one["title"] == "How late failures were"]
    runs = [run, *others]
    assert sum(row[1] for row in real["rows"]) == sum(len(one.measured.positions) for one in runs if one.measured)


def test_an_old_experiment_is_compared_at_costs_computed_anew(
    timed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Costs written down by an older estimator, here twice too high, give way to today's; the page says so."""
    said = compare(timed).comparisons
    old = tmp_path / "old"
    shutil.copytree(timed, old)
    lines = []
    for event in read_events(old / LOG):
        if event["event"] == "predicted":
            costs = event["costs"]
            del costs["unnoticed"]
            stops = costs["stops"]["partial"]
            costs["stops"]["partial"] = {kind: [2 * seconds for seconds in pair] for kind, pair in stops.items()}
        lines.append(sealed(event))
    (old / LOG).write_text("".join(lines))
    wrong = {(one.quantity, one.against): one.predicted for one in compare(old).comparisons}
    for one in said:
        if one.against == "expected" and one.quantity in ("load", "reschedule"):
            assert wrong[one.quantity, one.against] > 1.3 * one.predicted
    assert compare(old, recalibrate=True).comparisons == said
    report(old, None, False, recalibrate=True)
    assert "calibrated anew, after the runs" in capsys.readouterr().out
    assert "**Calibrated anew.**" in (old / "report-recalibrated.md").read_text()
    assert "Calibrated anew" in (old / "report-recalibrated.html").read_text()
    assert not (old / "report.md").exists()
    (old / "seed-01" / "calibrate-partial-20" / "events.jsonl").unlink()
    with pytest.raises(
        JobError, match=r"^--recalibrate: expected in .* whole logs of the calibration runs of seed 1$"
    ):
        compare(old, recalibrate=True)
    start = next(iter(read_events(old / LOG)))
    start["case"]["experiment"]["strategies"] = []
    start["case"]["experiment"]["losses"] = [{"name": "a", "pls": 0.1, "failures": 1}]
    (old / LOG).write_text(sealed(start))
    with pytest.raises(JobError, match="--recalibrate: expected an experiment that calibrates"):
        compare(old, recalibrate=True)


def test_calibrations_that_are_pooled_over_seeds_make_intervals_that_are_too_narrow() -> None:
    """Ten seeds, 24 calibration stops each, some 15 in their runs, all of one law: there is nothing to be found.

    Each seed predicted by its own calibration, 90% of the intervals hold that; by all calibrations so far, the
    common error does not scatter over seeds, and far fewer do. That is why they are not pooled.
    """
    rng = np.random.default_rng(1)
    held, replicates = {"own": 0, "so far": 0}, 2000
    for _ in range(replicates):
        calibrated = rng.lognormal(0.0, 0.4, (10, 24)).mean(axis=1)
        counts = rng.poisson(15, 10) + 1
        found = np.array([rng.lognormal(0.0, 0.4, count).sum() for count in counts])
        for name, cost in (("own", calibrated), ("so far", np.cumsum(calibrated) / np.arange(1, 11))):
            said = counts * cost
            _, low, high = interval_90(found - said, said)
            held[name] += low <= 0 <= high
    error = (0.9 * 0.1 / replicates) ** 0.5
    assert abs(held["own"] / replicates - 0.9) < 4 * error
    assert held["so far"] / replicates < 0.9 - 10 * error


def test_intervals_hold_the_chance_of_a_calibration_that_all_seeds_share(timed: Path) -> None:
    """By hand: n stops in the runs and c in the calibration make them sqrt(1 + n/c) times as wide."""
    outcome = compare(timed)
    section = outcome.experiment.experiment.model_copy(update={"calibrate": "each"})
    other = replace(outcome, experiment=outcome.experiment.model_copy(update={"experiment": section}))
    wide, plain = ({(one.quantity, one.against): one for one in comparisons(of)} for of in (outcome, other))
    n, c = (
        sum(stop.complete for run in outcome.runs if run.role == role for stop in run.measured.stops)  # type: ignore[union-attr]
        for role in ("strategy", "calibration")
    )
    assert n > 0 < c
    for (quantity, against), one in wide.items():
        as_was = plain[quantity, against]
        assert one.difference == as_was.difference
        times = {"load": (1 + n / c) ** 0.5, "lost": 1.0, "pls": 1.0}.get(quantity)
        if times is None:
            assert one.high - one.low >= as_was.high - as_was.low
        else:
            assert one.high - one.low == pytest.approx(times * (as_was.high - as_was.low))


def test_such_intervals_cover() -> None:
    """Six seeds of some 10 stops, one calibration of 24, all of one law: nine in ten hold that nothing is there."""
    rng = np.random.default_rng(3)
    held, as_were, replicates = 0, 0, 3000
    for _ in range(replicates):
        cost = rng.lognormal(0.0, 0.4, 24).mean()
        counts = rng.poisson(9, 6) + 1
        found = np.array([rng.lognormal(0.0, 0.4, count).sum() for count in counts])
        ratio, low, high = interval_90(found - counts * cost, counts * cost)
        wider = (1 + counts.sum() / 24) ** 0.5
        as_were += low <= 0 <= high
        held += ratio + wider * (low - ratio) <= 0 <= ratio + wider * (high - ratio)
    error = (0.9 * 0.1 / replicates) ** 0.5
    assert held / replicates > 0.9 - 4 * error
    assert as_were / replicates < 0.9 - 10 * error
