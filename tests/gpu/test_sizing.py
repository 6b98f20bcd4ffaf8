"""How long runs are made, that nothing else of a case changes by it, and what a GPU must have room for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cprmodel.facts.errors import JobError
from cprmodel.facts.strategies import FailureKind
from validation.experiment.costs import Costs
from validation.experiment.design import Experiment
from validation.gpu.probe import Probed
from validation.gpu.sizing import LEAST_SEEDS, estimated_s, memory_needed, sized

CASES = Path("validation/cases")
GPU, FULL = (Experiment.from_file(CASES / f"{name}.toml") for name in ("gpu", "full"))


def probed(step: float, save: float, stop: float, load: float, start: float, test: float) -> Probed:
    stops = {"full": {FailureKind.SHARD: (stop, load)}, "partial": {FailureKind.SHARD: (0.8 * stop, load / 4)}}
    return Probed(Costs(step, {"full": {5: save}, "partial": {5: save}}, stops), start, test, stop)


def hypotheses(one: Experiment) -> dict[str, Any]:
    """What an experiment asks, apart from how long it is."""
    section = one.experiment
    return {
        "tolerances": section.tolerances,
        "losses": section.losses,
        "budget": section.pls_budget,
        "asked": (section.recommended, section.paired, section.inconclusive_fails),
        "recoveries": [each.recovery for each in section.strategies],
        "failures": one.failures.model_copy(update={"mtbf_steps": None}),
        "shards": one.shards.model_copy(update={"device": "cpu"}),
        "saved": one.checkpoint,
    }


def test_the_gpu_case_asks_what_the_full_case_asks() -> None:
    """Intervals and failures, too, as parts of a run's length."""
    assert hypotheses(GPU) == hypotheses(FULL)
    for one, other in zip(GPU.tries, FULL.tries, strict=True):
        assert one[1] / GPU.steps == other[1] / FULL.steps
    assert GPU.failures.mtbf_steps == pytest.approx(FULL.failures.mtbf_steps * GPU.steps / FULL.steps)
    assert GPU.experiment.seeds >= LEAST_SEEDS
    assert GPU.training.device == GPU.shards.device == "cuda"


seconds = st.floats(-3, 0.5).map(lambda power: 10.0**power)


@settings(max_examples=20)
@given(seconds, seconds, seconds, seconds, seconds, seconds, st.floats(60, 4000))
def test_whatever_the_machine_the_hypotheses_stay_and_the_time_is_kept(
    step: float, save: float, stop: float, load: float, start: float, test: float, time: float
) -> None:
    found = probed(step, save, stop, load, start, test)
    try:
        size = sized(GPU, found, time)
    except JobError as error:
        assert "stops and saves apart" in str(error)  # noqa: PT017 - a step is too short for such stops, or a run too long
        assert 4 * (stop + load + save) / step > GPU.steps
        return
    one = size.experiment
    assert hypotheses(one) == hypotheses(GPU)
    assert one.data.batch_size == GPU.data.batch_size
    assert one.model == GPU.model
    assert size.seeds_that_fit <= one.experiment.seeds
    assert one.failures.mtbf_steps is not None
    assert one.failures.mtbf_steps * step >= 4 * (stop + load + save) * (1 - 1e-12)  # not struck in every recovery
    assert one.steps / one.failures.mtbf_steps >= 1.5
    for recovery, interval in one.tries:  # as parts of the time between failures, they are what they were
        asked = [steps for name, steps in GPU.tries if name == recovery]
        ratio = one.failures.mtbf_steps / (GPU.failures.mtbf_steps or 0.0)
        assert min(abs(interval - ratio * steps) for steps in asked) <= 1.5
        assert one.steps >= 2 * interval
    if size.seeds_that_fit >= LEAST_SEEDS:
        assert estimated_s(one, found) < size.seconds <= time
        assert one.experiment.seeds >= LEAST_SEEDS
    assert one.timeouts.start_s >= 10 * start
    assert one.timeouts.shard_s >= 20 * (stop + load)
    assert Experiment.model_validate_json(one.model_dump_json()) == one  # as it is handed on


@pytest.mark.parametrize(("time", "fit"), [(330.0, 4), (45.0, 0)])
def test_four_seeds_fit_into_what_eight_minutes_leave(time: float, fit: int) -> None:
    """With the times that a GPU of a few years may take: a second for CUDA, 20 ms a step."""
    size = sized(GPU, probed(0.02, 0.1, 1.0, 0.1, 2.0, 1.0), time)
    assert size.seeds_that_fit == fit
    assert size.experiment.experiment.seeds == 4
    assert {name for name, _ in size.experiment.tries} == {"full", "partial"}
    assert f"{fit} seeds within the time" in size.told()


def test_where_nothing_is_saved_or_stopped_runs_take_their_steps() -> None:
    """Counted by hand: a baseline, four strategies and the recommendation a seed; four calibrations before each."""
    found = probed(0.01, 1e-9, 1e-9, 0.0, 0.0, 0.0)
    runs = GPU.experiment.seeds * (1 + 4 + 1 + 4)
    most = 0.02 * runs  # redone after a failure: less than an interval's half, in six failures of 600 steps
    found_s = estimated_s(GPU, found)
    assert runs * GPU.steps * 0.01 <= found_s <= runs * GPU.steps * 0.01 * (1 + most)
    later = estimated_s(GPU, replace(found, start_s=3.0, test_s=2.0))
    assert later - found_s == pytest.approx(
        GPU.experiment.seeds * (6 * 5.0 + 4 * 3.0)
    )  # calibrations are not tested


def test_more_time_is_used_for_more_seeds_once_runs_are_long_enough() -> None:
    found = probed(0.005, 0.02, 0.1, 0.02, 0.5, 0.2)
    sizes = [sized(GPU, found, time) for time in (100.0, 400.0, 1600.0, 6400.0)]
    lengths = [size.experiment.steps for size in sizes]
    assert lengths == sorted(lengths)
    assert sizes[-1].experiment.experiment.seeds > 4
    assert sizes[-1].experiment.experiment.calibrate == "each"


def test_a_case_without_failures_or_with_a_clock_is_refused() -> None:
    found = probed(0.02, 0.1, 1.0, 0.1, 2.0, 1.0)
    data = GPU.model_dump()
    data["failures"]["mtbf_steps"], data["failures"]["mtbf_s"] = None, 60.0
    with pytest.raises(JobError, match=r"failures\.mtbf_steps"):
        sized(Experiment.model_validate(data), found, 300.0)


def test_a_gpu_must_have_room_for_nine_contexts_the_rows_and_what_passes() -> None:
    rows, context = 830_000, 500 * 2**20
    found = memory_needed(GPU, rows, context)
    held = np.zeros((rows, 16), np.float32).nbytes + np.zeros(rows, np.float32).nbytes
    assert found > 9 * context + 2 * held
    assert found < 9 * context + 2 * held + 2**30
    on_cpu = GPU.model_copy(update={"shards": GPU.shards.model_copy(update={"device": "cpu"})})
    assert 8 * context + 2 * held == found - memory_needed(on_cpu, rows, context)
