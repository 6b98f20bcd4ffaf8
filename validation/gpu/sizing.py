"""How long a case's runs may be so that what it asks is answered within the minutes.

Steps are stretched or shortened, and with them the steps between failures; intervals keep their ratio to these.
The hypotheses and their tolerances are untouched. Failures come no closer than so many stops and saves, or runs
would do nothing else. What a run will take is what ``cprmodel`` expects of it, at the costs that a probe found.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from cprmodel.facts.errors import JobError, Problem
from cprmodel.facts.strategies import FailureKind, FailureMix
from validation.experiment.costs import Costs
from validation.experiment.design import Experiment, a_fifth_of
from validation.experiment.predict import expected
from validation.gpu.probe import Probed

__all__ = ["LEAST_SEEDS", "Sized", "estimated_s", "memory_needed", "sizable", "sized"]

#: Seeds that must end within the minutes; with fewer there is hardly an interval.
LEAST_SEEDS = 4
MOST_SEEDS = 10
#: Mean time between failures, in stops and saves: closer together, and saves and recoveries are all that is done.
_STOPS_APART = 4.0
#: Failures of a run on average: what is enough to go on, and the least that says anything.
_ENOUGH, _LEAST = 4.0, 1.5
#: The longest interval fits into a run so often: a run without a save says nothing of saves.
_INTERVALS = 2.5
#: Runs are no shorter than so many steps, and no longer than so many times the case's own.
_FEWEST_STEPS, _LONGEST = 60, 10.0
#: A run that goes as it may takes so much longer than it is expected to: failures come when they like.
_MARGIN = 1.15


@dataclass(frozen=True)
class Sized:
    """The case at its size, what its runs of strategies will take [s], and how many seeds of them fit."""

    experiment: Experiment
    seconds: float
    seeds_that_fit: int

    def told(self) -> str:
        """One line."""
        one = self.experiment
        section = one.experiment
        tried = "; ".join(f"{name} every {steps}" for name, steps in one.tries)
        return (
            f"{section.seeds} seeds of {one.steps} steps ({tried}), a failure every {one.failures.mtbf_steps:.4g} "
            f"steps, calibrated {'before each seed' if section.calibrate == 'each' else 'once'}: about "
            f"{self.seconds:.0f} s, {self.seeds_that_fit} seeds within the time"
        )


def sized(experiment: Experiment, found: Probed, seconds: float) -> Sized:
    """The longest runs of which at least four seeds fit; where they do not, the shortest that say anything.

    Rather than too few failures in a run: calibrate once, not before each seed; then one interval a recovery.
    JobError for a case that cannot be sized: one without strategies, or with an emulated clock.
    """
    sizable(experiment)
    best: Experiment | None = None
    for calibrate, intervals in (("each", 0), ("once", 0), ("once", 1)):
        one = _longest(experiment, found, seconds, calibrate, intervals)
        if one is not None and (best is None or _failures(one) > _failures(best)):
            best = one
        if best is not None and _failures(best) >= _ENOUGH:
            break
    if best is not None:
        return _with_seeds(best, found, seconds)
    return _shortest(experiment, found, seconds)


def sizable(experiment: Experiment, where: str = "the case") -> Experiment:
    """The case itself, of which runs can be longer or shorter; JobError for another, before it costs a minute."""
    if experiment.clock is not None or not experiment.tries or experiment.failures.mtbf_steps is None:
        wanted = "a case with [[experiment.strategies]] and failures.mtbf_steps, and without [clock]"
        raise JobError(where, [Problem("experiment", "", wanted)])
    return experiment


def _longest(
    experiment: Experiment, found: Probed, seconds: float, calibrate: str, intervals: int
) -> Experiment | None:
    """The longest runs that fit and say anything: the longer they are, the longer they take."""
    lengths = list(_lengths(experiment))  # from the longest on

    first, beyond, best = 0, len(lengths), None
    while first < beyond:
        middle = (first + beyond) // 2
        one = _stretched(experiment, found, lengths[middle], calibrate, intervals)
        if one is None or _failures(one) < _LEAST:  # too short for what is asked
            beyond = middle
        elif _MARGIN * estimated_s(one, found) <= seconds:
            best, beyond = one, middle
        else:
            first = middle + 1
    return best


def _shortest(experiment: Experiment, found: Probed, seconds: float) -> Sized:
    """What says anything at all, though the minutes do not hold it: another day goes on with it."""
    for steps in reversed(list(_lengths(experiment))):
        one = _stretched(experiment, found, steps, "once", 1)
        if one is not None and _failures(one) >= _LEAST:
            takes = _MARGIN * estimated_s(one, found)
            once = _MARGIN * estimated_s(_seeds(one, 2), found)
            each = (takes - once) / (LEAST_SEEDS - 2)
            fit = max(0, math.floor((seconds - (once - 2 * each)) / each))
            return Sized(one, takes, min(fit, one.experiment.seeds))
    longest = round(_LONGEST * experiment.steps)
    wanted = f"a case of which {longest} steps hold {_LEAST:g} failures, {_STOPS_APART:g} stops and saves apart"
    raise JobError("the case", [Problem("data.samples", str(experiment.data.samples), wanted)])


def _lengths(experiment: Experiment) -> Iterator[int]:
    """Steps to try, from the most to the fewest."""
    steps = _LONGEST * experiment.steps
    fewest = min(_FEWEST_STEPS, experiment.steps)
    while steps >= fewest:
        yield round(steps)
        steps /= 1.06


def _failures(one: Experiment) -> float:
    """Of a run's useful time, on average."""
    assert one.failures.mtbf_steps is not None
    return one.steps / one.failures.mtbf_steps


def _stretched(
    experiment: Experiment, found: Probed, steps: int, calibrate: str, intervals: int
) -> Experiment | None:
    """The case with runs of so many steps; None where it has no room for what it asks."""
    scale = steps / experiment.steps
    costs, section = found.costs, experiment.experiment
    assert experiment.failures.mtbf_steps is not None
    stop = max(sum(pair) for kinds in costs.stops.values() for pair in kinds.values())
    save = max(cost for by in costs.saves.values() for cost in by.values())
    gap = 2 * (stop + save) + 2 * costs.step_s
    mtbf = max(scale * experiment.failures.mtbf_steps, _STOPS_APART * (stop + save) / costs.step_s)
    rarer = mtbf / experiment.failures.mtbf_steps
    strategies: list[dict[str, Any]] = []
    for one in section.strategies:
        asked = one.interval_steps[:intervals] if intervals else one.interval_steps
        kept = tuple(dict.fromkeys(max(2, round(rarer * each)) for each in asked))
        if steps < _INTERVALS * max(kept):
            return None
        strategies.append({"recovery": one.recovery, "interval_steps": kept})
    data = experiment.model_dump()
    data["data"]["samples"] = steps * experiment.data.batch_size
    data["failures"]["mtbf_steps"] = mtbf
    data["timeouts"]["start_s"] = max(experiment.timeouts.start_s, 10 * found.start_s)
    data["timeouts"]["shard_s"] = max(experiment.timeouts.shard_s, 20 * (stop + save))
    room = int(0.9 * steps * costs.step_s / gap)
    data["experiment"] |= {
        "seeds": max(LEAST_SEEDS, section.seeds) if intervals == 0 else LEAST_SEEDS,
        "calibrate": calibrate,
        "strategies": strategies,
        "calibration_gap_s": gap,
        "calibration_restart_s": max(found.restart_s, 1e-3),
        "calibration_failures": max(3, min(section.calibration_failures, room)),
    }
    try:
        return Experiment.model_validate(data)
    except ValidationError:
        return None


def _seeds(one: Experiment, seeds: int) -> Experiment:
    section = one.experiment.model_copy(update={"seeds": seeds})
    return one.model_copy(update={"experiment": section})


def _with_seeds(one: Experiment, found: Probed, seconds: float) -> Sized:
    """As many seeds as fit."""
    fitting = one, _MARGIN * estimated_s(one, found)
    for seeds in range(one.experiment.seeds + 1, MOST_SEEDS + 1):
        more = _seeds(one, seeds)
        then = _MARGIN * estimated_s(more, found)
        if then > seconds:
            break
        fitting = more, then
    return Sized(*fitting, fitting[0].experiment.seeds)


def estimated_s(experiment: Experiment, found: Probed) -> float:
    """What calibrations and runs of strategies are expected to take [s]; those of losses come after them."""
    section, costs = experiment.experiment, found.costs
    assert experiment.failure_mix is not None
    mix = replace(experiment.failure_mix, mtbf_s=experiment.failure_mix.mtbf_s * costs.step_s)
    around = found.start_s + found.test_s
    tried = {one: _run_s(experiment, costs, mix, *one) for one in experiment.tries}
    work = experiment.steps * costs.step_s
    a_seed = sum(tried.values()) + around * len(tried)
    if section.recommended:
        a_seed += max(tried.values()) + around
    if section.paired:
        interval = min(steps for _, steps in experiment.tries)
        a_seed += work + experiment.steps / interval * costs.save_s("partial", interval) + around
    calibrated = 0.0
    for recovery, steps in experiment.tries:
        saves = experiment.steps / steps * costs.save_s(recovery, steps)
        more = a_fifth_of(section.calibration_failures) * (2 if recovery == "partial" else 1)
        strikes = section.calibration_failures + more
        stops = strikes * sum(costs.stops[recovery][FailureKind.SHARD])
        redone = strikes * steps / 2 * costs.step_s if recovery == "full" else 0.0
        calibrated += work + saves + stops + redone + found.start_s
    return section.seeds * a_seed + calibrated * (section.seeds if section.calibrate == "each" else 1)


def _run_s(experiment: Experiment, costs: Costs, mix: FailureMix, recovery: str, steps: int) -> float:
    said = expected(experiment.saving(0, recovery, steps), costs, mix, experiment.experiment.pls_budget)
    return said.useful_s + float(said.spent.total)


def memory_needed(experiment: Experiment, rows: int, context_bytes: int) -> int:
    """Bytes of a GPU that the case wants at most: contexts of all processes, rows and state, what passes by.

    A shard that loads holds what it had, too. What passes by are the distinct rows of a batch and their gradients,
    at most one for each id, and activations: four of each.
    """
    section, tables = experiment.model, len(experiment.model.num_embeddings or range(26))
    on_shards, on_trainer = experiment.shards.device != "cpu", experiment.training.device != "cpu"
    processes = experiment.shards.count * on_shards + on_trainer
    held = 2 * 4 * rows * (section.embedding_dim + 1) if on_shards else 0
    widest = tables * section.embedding_dim + (tables + 1) ** 2 + sum(section.dense_arch) + sum(section.over_arch)
    passing = 4 * 4 * experiment.data.batch_size * widest if on_trainer else 0
    return processes * context_bytes + held + passing
