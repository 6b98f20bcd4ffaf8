"""Predictions from a record against real put-backs of a small model whose true loss is known: nothing is fitted."""

from __future__ import annotations

import copy
import json
import math
from typing import Any, NamedTuple

import numpy as np
import pytest

from cprmodel.facts.errors import DomainError
from cprmodel.harm.predicted import HarmModel
from cprmodel.harm.record import HarmRecord
from tests.harm.small_model import (
    BATCH,
    ROWS,
    SHARDS,
    STEPS,
    TABLES,
    Setting,
    State,
    put_back,
    record,
    shard,
    trained,
)

POINTS, AGES, LEFT = [50, 100, 200, 300, 400, 500, 600], [10, 30, 90, 200], [30, 100, 200, 300, 400, 500]


class Seen(NamedTuple):
    position: int
    age: int
    at_once: float
    at_end: float
    alone: float  # at the end, with all other parameters held to the run that lost nothing


class Run(NamedTuple):
    setting: Setting
    record: HarmRecord
    losses: list[Seen]


def put_back_each_shard(setting: Setting, history: list[State], position: int, age: int) -> Seen:
    """True rise of the loss, on average over the shards: each in a run of its own, beside one without a loss."""
    state = history[position].copies(SHARDS + 1)
    for number in range(SHARDS):
        put_back(state, number, history[position - age], shard(number))
    held = copy.deepcopy(state)
    found = [setting.loss(state)]
    for number in range(position, STEPS):
        state.step(setting, number)
        held.step(setting, number)
        for run in range(SHARDS):
            others = ~shard(run)
            held.rows[run][others], held.sums[run][others] = held.rows[-1][others], held.sums[-1][others]
        held.dense[:], held.dense_sums[:] = held.dense[-1], held.dense_sums[-1]
    found += [setting.loss(state), setting.loss(held)]
    return Seen(position, age, *(float((one[:-1] - one[-1]).mean()) for one in found))


@pytest.fixture(scope="module")
def runs() -> list[Run]:
    found = []
    for seed in (1, 2):
        setting = Setting(seed)
        history = trained(setting)
        losses = [
            put_back_each_shard(setting, history, position, age)
            for position in (200, 300, 500)
            for age in (30, 90, 200)
        ]
        found.append(Run(setting, record(setting, history, POINTS, AGES, LEFT), losses))
    return found


def both(runs: list[Run], spoil: Any = None) -> dict[str, Any]:
    """Measured and predicted [losses], at once and at the end."""
    found: dict[str, list[float]] = {"once": [], "once said": [], "end": [], "alone": [], "end said": []}
    for run in runs:
        data = run.record.model_dump(mode="json")
        if spoil is not None:
            spoil(data)
        model = HarmModel(HarmRecord.model_validate(data))
        for one in run.losses:
            given = one.position * BATCH, one.age * BATCH, 1 / SHARDS
            found["once"].append(one.at_once)
            found["once said"].append(model.once(*given, at_once=True).rise)
            found["end"].append(one.at_end)
            found["alone"].append(one.alone)
            found["end said"].append(model.once(*given).rise)
    return {name: np.array(values) for name, values in found.items()}


def rms(values: Any) -> float:
    return float(np.sqrt((np.asarray(values) ** 2).mean()))


def holds_at_once(of: dict[str, Any]) -> bool:
    """Within 10% everywhere, also where everything that was ever learned is put back."""
    return bool((np.abs(of["once"] / of["once said"] - 1) < 0.10).all())


def holds_at_the_end(of: dict[str, Any]) -> bool:
    """In sum within 15%, and an RMS error below .28 of the rise: what a first study of larger models found."""
    whole = of["alone"].sum() / of["end said"].sum()
    return bool(abs(whole - 1) < 0.15 and rms(of["alone"] - of["end said"]) < 0.28 * rms(of["alone"]))


def test_put_back_shards_cost_what_the_record_says(runs: list[Run]) -> None:
    of = both(runs)
    assert holds_at_once(of)
    assert holds_at_the_end(of)
    early = [at for at, one in enumerate(run for some in runs for run in some.losses) if one.age <= 90]
    assert np.abs(of["once"] / of["once said"] - 1)[early].max() < 0.03


def test_what_others_make_of_it_comes_on_top(runs: list[Run]) -> None:
    """Four rows a sample and nearly nothing else: while some are behind, the others learn for that, and wrongly."""
    of = both(runs)
    assert 1.05 < of["end"].sum() / of["alone"].sum() < 1.4


def bands(data: dict[str, Any]) -> Any:
    return (band for point in data["points"] for table in point["tables"] for band in table["bands"])


def without_relearning(data: dict[str, Any]) -> None:
    with_the_steps_of_its_twin(data)
    for band in bands(data):
        for name in ("quadratic_left", "gradient_left"):
            band[name] = [[1.0] * len(LEFT) for _ in band[name]]


def with_the_steps_of_its_twin(data: dict[str, Any]) -> None:
    """As if the optimizer's state had not gone back with the rows, and all that moved were on its way."""
    for band in bands(data):
        for name in ("progress_fixed", "progress_moving", "jitter", "jitter_quadratic", "jitter_gradient"):
            band[name] = []


def without_gradient(data: dict[str, Any]) -> None:
    for point in data["points"]:
        for table in point["tables"]:
            for band in table["bands"]:
                band["gradient"] = [0.0] * len(band["gradient"])
        for one in point["whole"]:
            one["gradient"] = 0.0
            one["rise"] = one["quadratic"]


@pytest.mark.parametrize("spoil", [without_relearning, with_the_steps_of_its_twin])
def test_a_spoiled_record_fails_at_the_end(runs: list[Run], spoil: Any) -> None:
    of = both(runs, spoil)
    assert holds_at_once(of)
    assert not holds_at_the_end(of)


def test_without_the_gradient_term_it_fails_at_once(runs: list[Run]) -> None:
    assert not holds_at_once(both(runs, without_gradient))


def play(setting: Setting, runs: int, put_backs: float, interval: int, seed: int) -> Any:
    """Rise of the loss at the end of runs whose shards fail at random and go back to their last save."""
    rng = np.random.default_rng(seed)
    state = State(setting, runs + 1)
    saved = state.rows.copy(), state.sums.copy()
    for number in range(STEPS):
        if number % interval == 0:
            saved = state.rows.copy(), state.sums.copy()
        for run in range(runs):
            for _ in range(rng.poisson(put_backs / STEPS)):
                rows = shard(int(rng.integers(SHARDS)))
                state.rows[run][rows], state.sums[run][rows] = saved[0][run][rows], saved[1][run][rows]
        state.step(setting, number)
    loss = setting.loss(state)
    return loss[:-1] - loss[-1]


@pytest.mark.parametrize("interval", [30, 150])
def test_runs_with_failures_end_as_predicted(runs: list[Run], interval: int) -> None:
    """Twenty runs of twelve failures: every shard fails once or more in the longer interval."""
    setting = runs[0].setting
    played = play(setting, 20, 12.0, interval, seed=7)
    said = HarmModel(runs[0].record).run(12.0, 1 / SHARDS, interval * BATCH)
    error = played.std(ddof=1) / math.sqrt(len(played))
    assert abs(played.mean() - said.rise) < 3 * error + 0.25 * said.rise


def test_a_run_is_the_mean_of_its_failures(runs: list[Run]) -> None:
    """Monte-Carlo over moments and ages of :meth:`once`, failures rare enough to come alone."""
    model, rng = HarmModel(runs[0].record), np.random.default_rng(11)
    samples, interval = STEPS * BATCH, 80 * BATCH
    moments, ages = rng.random(1500) * samples, rng.random(1500) * interval
    each = [model.once(moment, min(age, moment), 0.25).rise for moment, age in zip(moments, ages, strict=True)]
    said = model.run(1e-3, 0.25, interval)
    assert abs(np.mean(each) - 1e3 * said.rise) < 4 * np.std(each) / math.sqrt(len(each))
    assert 1e3 * said.deviation**2 == pytest.approx(np.mean(np.square(each)), rel=0.2)


def test_parts_add_up_and_shares_scale(runs: list[Run]) -> None:
    model = HarmModel(runs[1].record)
    one = model.once(19_200, 5760, 0.125)
    assert one.rise == one.quadratic + one.gradient + one.crossed + one.beyond
    two = model.once(19_200, 5760, 0.25)
    assert two.quadratic == pytest.approx(2 * one.quadratic)
    assert two.gradient == pytest.approx(2 * one.gradient)
    assert two.crossed == pytest.approx(4 * one.crossed)
    each = model.once(19_200, 5760, np.full(len(model.classes), 0.25))
    assert each.rise == pytest.approx(two.rise)
    tables = np.array([float(one.table == "table 0") for one in model.classes])
    alone = model.once(19_200, 5760, tables, at_once=True)
    whole = model.once(19_200, 5760, 1.0, at_once=True)
    assert 0 < alone.quadratic < whole.quadratic
    seen = runs[1].record.points[POINTS.index(300)].whole[AGES.index(90)]
    assert whole.rise == pytest.approx(seen.rise)  # at a probed point and age the truth itself


def test_what_the_record_does_not_reach_is_said(runs: list[Run]) -> None:
    model = HarmModel(runs[0].record)
    assert 30 * BATCH <= model.reach_samples <= 200 * BATCH
    assert model.once(19_200, 1280, 0.25).notes == ()
    far = model.run(2.0, 0.25, 300 * BATCH).notes
    assert any("the record ends at 12,800" in note for note in far)
    if model.reach_samples < 200 * BATCH:
        assert any("off by more than 25%" in note for note in far)


def test_intervals_hold_the_sampling_error_and_the_reach(runs: list[Run]) -> None:
    data = json.loads(runs[0].record.to_json())
    for band in bands(data):
        band["gradient_error"] = [1e-5 * (k + 1) for k in range(len(band["gradient"]))]
    for point in data["points"]:
        for at, one in enumerate(point["whole"]):
            one["gradient_error"] = 1e-4 * (at + 1)
    model = HarmModel(HarmRecord.model_validate(data))
    probed = model.once(200 * BATCH, 30 * BATCH, 1.0, at_once=True)
    assert probed.error == pytest.approx(2e-4, rel=0.35)  # the whole state's own, per age a mean over the ages
    low, high = probed.interval_90
    assert (low + high) / 2 == pytest.approx(probed.rise)
    assert high - low >= 2 * 1.6448 * probed.error * (1 - 1e-9)
    assert probed.auc_fall is None
    assert probed.auc_interval_90 is None


def test_auc_follows_the_log_loss(runs: list[Run]) -> None:
    data = json.loads(runs[0].record.to_json())
    for point in data["points"]:
        for one in point["whole"]:
            one["auc_per_nat"] = 1.5
    model = HarmModel(HarmRecord.model_validate(data))
    found = model.once(12_800, 5760, 0.25)
    assert found.auc_fall == pytest.approx(1.5 * found.rise)
    assert found.auc_interval_90 == pytest.approx([1.5 * end for end in found.interval_90])


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda model: model.once(100, 10, 1.5), r"lost_share = 1\.5: expected a share"),
        (lambda model: model.run(-1.0, 0.5, 100), "put_backs = -1"),
        (lambda model: model.run(1.0, 0.5, 0.0), "interval_samples = 0"),
        (lambda model: model.run(1.0, 0.5, 10.0, until=2.0), "until = 2"),
    ],
)
def test_wrong_numbers_are_named(runs: list[Run], call: Any, said: str) -> None:
    with pytest.raises(DomainError, match=said):
        call(HarmModel(runs[0].record))


def test_the_small_model_is_what_it_says() -> None:
    """Its gradients against differences, and its record's whole state against its bands."""
    setting = Setting(3)
    state = State(setting, 1)
    before = setting.loss(state)[0]
    assert before > float(
        (np.logaddexp(0, z := np.log(setting.truth / (1 - setting.truth))) - setting.truth * z).mean()
    )
    history = trained(setting)
    found = record(setting, history, [300], [30], [100])
    point = found.points[0]
    total = sum(band.gradient[0] for table in point.tables for band in table.bands)
    assert total == pytest.approx(point.whole[0].gradient, rel=1e-9)
    now, then, tiny = history[300], history[270], 1e-5
    nudged = now.copies(1)
    nudged.rows += tiny * (then.rows - now.rows)
    slope = (setting.loss(nudged)[0] - setting.loss(now)[0]) / tiny
    assert slope == pytest.approx(point.whole[0].gradient, rel=1e-2)
    assert sum(band.rows for band in point.tables[0].bands) == ROWS
    assert len(point.tables) == TABLES
