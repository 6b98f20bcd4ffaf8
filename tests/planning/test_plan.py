"""Plans of known jobs, and properties over the whole space of jobs."""

from __future__ import annotations

import json
import math
import threading
import tomllib
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cprmodel import Exact, FirstOrder, Job, JobError, Plan, SteadyState, formulas, load_preset, plan, simulate
from cprmodel.costing import CostModel, kinds
from cprmodel.costing.blocking import terms_of
from cprmodel.costing.terms import EXACT, FIRST_ORDER
from cprmodel.facts.strategies import FailureKind, Strategy
from cprmodel.jobs import job_from_mapping, job_from_text
from cprmodel.planning import changes, telling
from cprmodel.planning.planner import priced
from cprmodel.planning.pricing import price
from cprmodel.planning.ranking import TIE, best_of
from tests.conftest import EXAMPLE, literature

MODELS = [FirstOrder(), Exact()]
TEXT = EXAMPLE.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def answer() -> Plan:
    return plan(Job.from_file(EXAMPLE))


@pytest.mark.parametrize(
    ("name", "model"),
    [
        *product(["production-dlrm", "fleet", "ordered-saves"], [FirstOrder(), Exact(), SteadyState()]),
        ("storage", SteadyState()),
    ],
)
def test_numbers_are_the_same_with_and_without_words(
    name: str, model: CostModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pricing says nothing, and telling changes nothing."""
    job = Job.from_file(EXAMPLE.parent / f"{name}.toml")
    told = plan(job, model)

    def no_words(*_: object, **__: object) -> None:
        raise AssertionError("words where numbers are asked for")

    for module, names in (
        (telling, ("notes_on", "recommendation", "advice")),
        (kinds, ("remarks",)),
        (changes, ("what_would_change",)),
    ):
        for one in names:
            monkeypatch.setattr(module, one, no_words)
    untold = priced(job, model)
    assert untold.strategies == told.strategies
    assert best_of(untold.strategies).name == told.recommended
    with pytest.raises(AssertionError, match="words"):
        plan(job, model)


@pytest.mark.parametrize("mtbf", ["6 h", "28 h", "300 h"])
def test_thresholds_of_many_jobs_at_once_are_those_of_one_after_the_other(mtbf: str) -> None:
    """Where partial recovery of stored saves stops winning, looked at side by side and by halving."""
    data = tomllib.loads((EXAMPLE.parent / "storage.toml").read_text(encoding="utf-8"))
    data["failures"]["mtbf"] = mtbf
    answer = plan(Job.from_mapping(data), SteadyState())
    asked = [changes._about_budget(answer), changes._about_reschedule(answer)]
    flips = 0
    for one, (wins, at) in zip(asked, changes._answers(answer, asked), strict=True):
        alone, there = changes._one_by_one(answer.model, one)
        assert wins == alone
        assert (at is None) == (there is None)
        if at is not None and there is not None:
            assert at == pytest.approx(there, rel=3e-5)
            flips += 1
    assert flips


def test_first_order_by_hand(answer: Plan) -> None:
    """Each number of theory.md section 1, in minutes, written out."""
    full, partial, at_full, today = (answer[n] for n in ("full", "partial", "partial-at-full-interval", "current"))
    mu, save = 28 * 60, 4
    tau = math.sqrt(2 * save * mu)
    assert abs(full.interval_s - 60 * tau) < 0.2  # seconds, a step
    assert full.interval_s == full.interval_steps * 0.2  # type: ignore[operator]
    tau = full.interval_s / 60
    assert full.overhead_fraction == pytest.approx(save / tau + (4 + 10 + tau / 2) / mu)
    tau_partial = min(2 * 0.1 * 8 * mu / 0.9, math.sqrt(2 * save * mu / 0.05))
    assert abs(partial.interval_s - 60 * tau_partial) < 0.2
    tau_partial = partial.interval_s / 60

    def partial_overhead(tau: float) -> float:
        return save / tau + (0.9 * (0.5 + 3) + 0.05 * 3 + 0.05 * (4 + 10 + tau / 2)) / mu

    assert partial.overhead_fraction == pytest.approx(partial_overhead(tau_partial))
    assert at_full.overhead_fraction == pytest.approx(partial_overhead(tau))
    pieces, rate = 56 * 60 / tau_partial, 0.9 / (mu * 8)  # to first order in the rate, the last piece the shorter
    rest = (pieces % 1) * tau_partial
    lost = rate * (int(pieces) * (tau_partial**2 / 2 + save * tau_partial) + rest**2 / 2) / (56 * 60)
    assert partial.expected_pls == pytest.approx(lost, rel=0.01)
    assert partial.expected_metric_drop == pytest.approx(0.005 * partial.expected_pls)
    assert today.overhead_fraction == pytest.approx(save / 30 + (14 + 15) / mu)
    assert today.interval_steps == 9000
    assert answer.recommended == "partial"
    saved = 730.485 * (today.overhead_fraction - partial.overhead_fraction) / (1 + today.overhead_fraction)
    assert answer.hours_saved_per_month == pytest.approx(saved)


def with_model(**changes: Any) -> Job:
    model = {
        "kind": "accuracy model",
        "metric_drop_per_pls": 0.005,
        "interval_90": (0.004, 0.007),
        "linear_to_pls": 0.2,
        "runs": 20,
        "seeds": 4,
    }
    data = tomllib.loads(TEXT)
    data["accuracy"] = {"max_metric_drop": 0.0005, "model": model | changes}
    return job_from_mapping(data)


def test_a_fitted_slope_s_interval_becomes_the_drop_s(answer: Plan) -> None:
    """The budget is the point estimate's, so the plan is that of the slope given; the interval is β's times PLS."""
    fitted = plan(with_model())
    assert fitted.job.pls_budget == pytest.approx(0.1)
    for one, plain in zip(fitted.strategies, answer.strategies, strict=True):
        assert one.interval_s == pytest.approx(plain.interval_s)
        assert one.expected_metric_drop == pytest.approx(plain.expected_metric_drop)
        assert one.expected_metric_drop_interval_90 == pytest.approx(
            (0.004 * one.expected_pls, 0.007 * one.expected_pls)
        )
        assert plain.expected_metric_drop_interval_90 is None
        assert plain.to_dict()["expected_metric_drop_interval_90"] is None
    low, high = fitted["partial"].expected_metric_drop_interval_90 or (0, 0)
    assert fitted["partial"].to_dict()["expected_metric_drop_interval_90"] == [low, high]
    assert f"90% interval {low:.2g} to {high:.2g}" in fitted.sentence
    assert not any("accuracy.model" in line for line in fitted.warnings)
    assert fitted.what_would_change_it == answer.what_would_change_it


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"linear_to_pls": 0.01},
            "partial: expected PLS 0.0168 lies beyond 0.01, up to which accuracy.model is known",
        ),
        ({"linear_to_pls": None}, "its record cannot tell up to which PLS the drop follows a line"),
        ({"interval_90": None}, "accuracy.model has no interval"),
        (
            {"largest_age": 0.01},
            "\npartial: rows go back by up to 15.4% of the run, and accuracy.model's record looked at no more than "
            "1.00%",
        ),
        ({"notes": ["of a run\nwith Adam"]}, "\npartial: the drop is of accuracy.model: of a run with Adam"),
        ({"interval_90": (-0.001, 0.011)}, "the slope's 90% interval contains 0"),
        ({"interval_90": (0.004, 0.1)}, "the expected drop may be up to 0.0017, above max_metric_drop 0.0005"),
    ],
)
def test_what_the_fit_does_not_bear_out_is_said(changes: dict[str, Any], expected: str) -> None:
    found = plan(with_model(**changes))
    assert sum(expected in f"\n{line}" for line in found.warnings) == 1
    json.dumps(found.to_dict(), allow_nan=False)


def test_where_the_budget_binds() -> None:
    job = job_from_text(TEXT.replace("pls_budget = 0.1", "pls_budget = 0.01"))
    one = plan(job)["partial"]
    cpr = 2 * 0.01 * 8 * 28 * 3600 / 0.9  # which leaves saves out, and stops
    assert cpr - 2 * job.save_s - 0.02 * cpr < one.interval_s < cpr
    assert 0.0095 < one.expected_pls <= 0.01 * (1 + 1e-9)
    assert "accuracy budget" in one.reason


def test_exact_uses_the_exact_forms() -> None:
    text = (
        TEXT.replace("shard_share = 0.9", "")
        .replace("trainer_share = 0.05", "")
        .replace("whole_job_share = 0.05", "")
    )
    job = job_from_text(text)
    answer = plan(job, Exact())
    one = answer["partial"]
    assert one.interval_s == 28 * 3600  # two equal pieces: as many saves as the budget's 48 h needs
    stops = {"save_s": 240.0, "partial_load_s": 30.0, "partial_reschedule_s": 180.0}
    assert 47 * 3600 < formulas.exact_pls_interval(0.1, 28 * 3600, 8, **stops) < 48.06 * 3600
    pls = formulas.exact_pls(56 * 3600, one.interval_s, 28 * 3600, 8, **stops)
    assert one.expected_pls == pytest.approx(pls)
    assert one.model == "exact"
    closed = (56 * 3600 + 28 * 3600 * math.expm1(240 / 100800)) * math.exp((30 + 180) / 100800)
    assert one.overhead_fraction == pytest.approx(closed / (56 * 3600) - 1, rel=1e-9)


@pytest.mark.parametrize("text", [TEXT, TEXT.replace('"56 h"', '"9 h"'), TEXT.replace('"28 h"', '"40 min"')])
@pytest.mark.parametrize("name", ["full", "partial"])
def test_exact_intervals_are_the_brute_force_optimum_of_the_exact_cost(text: str, name: str) -> None:
    """Over every number of equal pieces, and over intervals that do not divide the job."""
    job = job_from_text(text.replace("pls_budget = 0.1", "pls_budget = 1.0").replace('step = "0.2 s"', ""))
    model = Exact()
    one = plan(job, model)[name]
    work = job.job.work_s
    grid = np.concatenate([work / np.arange(1, 600), np.geomspace(work / 600, work, 700)])
    costs = [
        model.cost(job, Strategy("x", one.strategy.recovery, job.saving, float(tau))).breakdown.total
        for tau in grid
    ]
    assert one.overhead_fraction <= min(costs) * (1 + 1e-12)


def test_equal_strategies_go_to_the_first() -> None:
    """With whole-job failures alone both recoveries cost the same to rounding: full it is."""
    text = TEXT.replace("shard_share = 0.9", "shard_share = 0").replace("trainer_share = 0.05", "trainer_share = 0")
    job = job_from_text(text.replace("whole_job_share = 0.05", "whole_job_share = 1"))
    for model in MODELS:
        answer = plan(job, model)
        assert answer.recommended == "full"
        assert "At any PLS budget" not in " ".join(answer.what_would_change_it)


#: A budget that CPR's own interval breaks by a third, for saves take 20 minutes.
LONG_SAVES = """
[job]
work = "20 d"
[cluster]
embedding_shards = 8
[failures]
mtbf = "28 h"
[checkpoint]
save = "20 min"
load = "20 min"
reschedule = "10 min"
partial_load = "2 min"
partial_reschedule = "2 min"
[accuracy]
pls_budget = 0.0046
"""


@pytest.mark.parametrize("model", [FirstOrder(), Exact()])
def test_a_budget_counts_failures_in_long_saves(model: CostModel) -> None:
    """An interval that keeps it, 1 h 24 min and not 2 h 4 min, makes saves too dear: full recovery is right."""
    answer = plan(job_from_text(LONG_SAVES), model)
    assert answer.recommended == "full"
    assert answer["partial"].interval_s == pytest.approx(1.39 * 3600, rel=0.01)
    budget = float(answer.what_would_change_it[0].split()[5])  # above it, partial recovery wins
    assert 0.005 < budget < 0.0065


def _random_job(random: np.random.Generator, step: bool) -> Job:
    """Long saves and stops, several shards at once, and whole-job failures."""
    mtbf = float(random.uniform(1, 30)) * 3600
    save = mtbf * float(10 ** random.uniform(-3.5, -1))
    stop = mtbf * float(10 ** random.uniform(-3, -0.8))
    shards = int(random.integers(2, 33))
    shares = random.dirichlet([4, 1, 1]) if random.random() < 0.6 else [1.0, 0.0, 0.0]
    work = mtbf * float(10 ** random.uniform(-0.3, 1.8))
    text = {
        "job": {"work": f"{work} s"} | ({"step": f"{save * random.uniform(0.01, 3)} s"} if step else {}),
        "cluster": {"embedding_shards": shards},
        "failures": {
            "mtbf": f"{mtbf} s",
            "trainer_share": float(shares[1]),
            "whole_job_share": float(shares[2]),
            "shards_per_failure": float(random.choice([1, 1, 1.5, shards])),
        },
        "checkpoint": {"save": f"{save} s", "reschedule": f"{stop} s", "load": f"{stop / 3} s"},
        "accuracy": {"pls_budget": float(10 ** random.uniform(-3, -0.7))},
    }
    return Job.from_mapping(text)


@pytest.mark.parametrize("model", [FirstOrder(), Exact()])
def test_budgets_are_kept_when_they_are_played_out(model: CostModel) -> None:
    """By the simulator, which is held to the tests' event loop."""
    random = np.random.default_rng(17)
    kept = bound = 0
    for at in range(24):
        job = _random_job(random, step=at % 3 == 0)
        for one in plan(job, model).strategies:
            if one.name != "partial":
                continue
            found = simulate(job, one.strategy, 2000, seed=at).pls
            assert one.feasible
            assert found.mean < job.pls_budget + 3.5 * found.standard_error  # type: ignore[operator]
            assert abs(found.mean - one.expected_pls) < 4 * found.standard_error + 1e-9
            kept += 1
            bound += "accuracy budget" in one.reason
    assert kept > 15
    assert bound > 8


@pytest.mark.parametrize("step", [False, True])
def test_no_other_interval_within_the_budget_costs_less(step: bool) -> None:
    """Brute force over numbers of pieces and intervals between, or over all whole steps, in a finite job."""
    random = np.random.default_rng(5)
    tried = 0
    for _ in range(40):
        job = _random_job(random, step)
        try:
            best = Exact().partial_interval(job, job.pls_budget or 1.0)
        except JobError:
            best = None
        work, step_s = job.job.work_s, job.job.step_s
        every = np.concatenate([work / np.arange(1, 3000), np.geomspace(work / 3000, work, 3000)])
        if step_s is not None:
            every = step_s * np.unique(np.maximum(np.ceil(every / step_s * (1 - 1e-12)), 1))
        terms = terms_of(job)
        keeps = terms.pls(every) <= job.pls_budget * (1 + 1e-9)  # type: ignore[operator]
        costs = np.where(keeps, EXACT.partial.total(terms, every), np.inf)
        if best is None:
            assert not keeps.any()
            continue
        mine = EXACT.partial.total(terms, best.interval_s)
        assert mine <= costs.min() * (1 + (2e-3 if step_s else 1e-9)), job
        full = Exact().full_interval(job).interval_s
        assert EXACT.full.total(terms, full) <= EXACT.full.total(terms, every).min() * (1 + 1e-9)
        tried += 1
    assert tried > 20


STEPS = """
[job]
work = "50 h"
step = "0.7 s"
[failures]
mtbf = "28 h"
[checkpoint]
save = "20 min"
load = "4 min"
reschedule = "10 min"
"""


@pytest.mark.parametrize("model", [FirstOrder(), Exact()])
def test_intervals_are_whole_steps(model: CostModel) -> None:
    """T/12 is no whole number of steps: rounded up, eleven saves are made, as priced."""
    one = plan(job_from_text(STEPS), model)["full"]
    assert one.interval_steps is not None
    assert one.interval_s == one.interval_steps * 0.7
    assert one.overhead_fraction == model.cost(job_from_text(STEPS), one.strategy).breakdown.total
    if model.name == "exact":
        assert one.interval_steps == 21429
        assert math.ceil(50 * 3600 / one.interval_s) == 12


def test_long_steps_are_compared_with_their_neighbours() -> None:
    """Young's interval lies between one step and two; the overhead of both decides, and is the one that is said."""
    job = job_from_text(STEPS.replace('"0.7 s"', '"3 h"'))
    for model in (FirstOrder(), Exact()):
        one = plan(job, model)["full"]
        way = {"first-order": FIRST_ORDER, "exact": EXACT}[model.name].full
        costs = [float(way.total(terms_of(job), 3 * 3600.0 * n)) for n in range(1, 18)]
        assert one.interval_steps == 1 + int(np.argmin(costs))
        assert one.overhead_fraction == pytest.approx(min(costs))


def test_todays_interval_is_whole_steps() -> None:
    job = job_from_text(STEPS.replace('step = "0.7 s"', 'step = "7 min"\ncurrent_interval = "10 min"'))
    answer = plan(job)
    assert answer["current"].interval_s == 420.0
    assert any("10 min, is not a whole number of steps: planned as 1 step" in line for line in answer.warnings)


def test_a_budget_that_no_interval_keeps_says_so() -> None:
    job = job_from_text(LONG_SAVES.replace("0.0046", "0.0005"))
    for model in (FirstOrder(), Exact()):
        answer = plan(job, model)
        assert answer.recommended == "full"
        (note,) = [line for line in answer.warnings if line.startswith("partial: left out")]
        assert "accuracy.pls_budget = 0.0005: expected a budget of more than 0.0015" in note


@pytest.mark.parametrize("bad", ["exact", Exact, None, 3])
def test_wrong_arguments_are_named(bad: object) -> None:
    job = Job.from_file(EXAMPLE)
    if bad is None:
        with pytest.raises(TypeError, match=r"expected a cprmodel\.Job"):
            plan("x")  # type: ignore[arg-type]
    else:
        with pytest.raises(TypeError, match=r"such as cprmodel.Exact\(\)"):
            plan(job, bad)  # type: ignore[arg-type]


def test_no_save_is_said_in_words() -> None:
    answer = plan(job_from_text(TEXT.replace('work = "56 h"', 'work = "20 min"').replace('"30 min"', '"5 min"')))
    assert "make no save" in answer.sentence
    assert "charges one save all the same" in answer.sentence


def test_partial_optimum_equals_a_numerical_one() -> None:
    job = Job.from_file(EXAMPLE)
    one = plan(job)["partial"]
    costs = [
        FirstOrder().cost(job, Strategy("x", job.partial_recovery, job.saving, float(tau))).breakdown.total
        for tau in one.interval_s * np.geomspace(0.5, 2, 2001)
    ]
    assert one.overhead_fraction <= min(costs)
    assert np.argmin(costs) == 1000


def test_falls_back_to_full_and_says_so() -> None:
    slow = TEXT.replace('partial_reschedule = "2 min"', 'partial_reschedule = "5 h"').replace(
        'current_interval = "30 min"', ""
    )
    answer = plan(job_from_text(slow))
    assert answer.recommended == "full"
    assert "fall back to full" in answer.sentence
    assert any("replacing a shard took under" in line for line in answer.what_would_change_it)


def test_a_dense_model_has_full_recovery_only() -> None:
    answer = plan(load_preset("bloom-176b"))
    assert [one.name for one in answer.strategies] == ["full", "current"]
    assert any("embedding_shards" in line for line in answer.warnings)


def test_no_budget_no_partial_recommendation() -> None:
    text = TEXT[: TEXT.index("[accuracy]")]
    answer = plan(job_from_text(text))
    assert not answer["partial-at-full-interval"].feasible
    assert answer.recommended == "full"
    assert any("[accuracy]" in line for line in answer.warnings)


def test_current_partial_recovery() -> None:
    text = TEXT.replace(
        'current_interval = "30 min"', 'current_interval = "50 h"\ncurrent_recovery = "partial"'
    ).replace("pls_budget = 0.1", "pls_budget = 0.08")
    today = plan(job_from_text(text))["current"]
    assert today.strategy.recovery.name == "partial"
    assert not today.feasible
    assert "above the budget" in today.reason


def test_the_current_interval_can_be_the_recommendation() -> None:
    job = job_from_text(
        TEXT.replace('current_interval = "30 min"', 'current_interval = "8 h 38 min"\ncurrent_recovery = "partial"')
    )
    better = plan(job)["partial"].overhead_fraction
    assert plan(job)["current"].overhead_fraction == pytest.approx(better, rel=1e-5)


def test_leaving_a_validity_range_is_a_warning() -> None:
    answer = plan(job_from_text(TEXT.replace('"28 h"', '"1 h"')))
    assert any("full_recovery_overhead" in line and "above 0.1" in line for line in answer.warnings)


def test_a_job_that_cannot_finish_is_refused() -> None:
    text = TEXT.replace('reschedule = "9 min"', 'reschedule = "9000 h"')
    with pytest.raises(JobError, match="can finish"):
        plan(job_from_text(text), Exact())


def test_a_strategy_that_never_ends_is_left_out_with_the_reason() -> None:
    text = TEXT.replace('"30 min"', '"40 h"').replace('"28 h"', '"20 min"')
    answer = plan(job_from_text(text), Exact())
    assert "current" not in [one.name for one in answer.strategies]
    assert any(line.startswith("current: left out") for line in answer.warnings)


@pytest.mark.parametrize("name", ["cpr-dlrm"])
def test_the_cpr_like_preset_lands_where_its_paper_does(name: str) -> None:
    published = literature("presets")[name]
    answer = plan(load_preset(name))
    assert published["full_overhead_low"] <= answer["full"].overhead_fraction <= published["full_overhead_high"]


def test_llama_3_keeps_its_effective_time() -> None:
    published = literature("presets")["llama3-405b"]
    job = load_preset("llama3-405b")
    assert job.failure_mix.mtbf_s == pytest.approx(published["days"] * 86400 / published["interruptions"], rel=1e-3)
    assert plan(job)["full"].effective_time_ratio > published["effective_time_above"]


@pytest.mark.parametrize("name", ["rsc-1", "rsc-2"])
def test_rsc_rates(name: str) -> None:
    rate = literature("presets")[name]["per_1000_node_days"]
    assert load_preset(name).failure_mix.mtbf_s == pytest.approx(1000 * 86400 / (128 * rate))


# The whole input space ------------------------------------------------------------------------------------

_EXPONENTS = st.floats(-3, 9)
_SECONDS = _EXPONENTS.map(lambda e: 10.0**e)
_OR_ZERO = st.just(0.0) | _SECONDS


@st.composite
def jobs(draw: st.DrawFn) -> dict[str, Any]:
    mtbf = draw(_SECONDS)
    shards = draw(st.none() | st.integers(1, 100_000))
    s, t, w = (draw(st.floats(0, 1)) + 1e-3 for _ in range(3))
    kinds = draw(st.sampled_from(["all", "shards", "mixed", "no whole job", "whole job"]))
    t, w = {"shards": (0, 0), "no whole job": (t, 0), "whole job": (0, 1)}.get(kinds, (t, w))
    s = 0 if kinds == "whole job" else s
    total = s + t + w
    save = mtbf * 10.0 ** draw(st.floats(-9, 0))
    data: dict[str, Any] = {
        "job": {"work_s": draw(_SECONDS)},
        "failures": {"mtbf_s": mtbf, "trainer_share": t / total, "whole_job_share": w / total},
        "checkpoint": {
            "save_s": max(save, 1e-12),
            "load_s": draw(_OR_ZERO),
            "detect_s": draw(_OR_ZERO),
            "reschedule_s": draw(_OR_ZERO),
        },
    }
    if shards is not None:
        data["cluster"] = {"embedding_shards": shards}
        data["failures"]["shards_per_failure"] = draw(st.floats(1, shards))
        if draw(st.booleans()):
            data["checkpoint"] |= {"partial_load_s": draw(_OR_ZERO), "partial_reschedule_s": draw(_OR_ZERO)}
    if draw(st.booleans()):
        data["accuracy"] = {"pls_budget": draw(st.floats(-9, 0).map(lambda e: 10.0**e))}
        if draw(st.booleans()):
            data["accuracy"]["metric_drop_per_pls"] = draw(_SECONDS)
        elif draw(st.booleans()):
            data["accuracy"]["model"] = {
                "kind": "accuracy model",
                "metric_drop_per_pls": (slope := draw(_SECONDS)),
                "interval_90": draw(st.none() | st.just((-slope, 3 * slope))),
                "linear_to_pls": draw(st.none() | _SECONDS),
                "runs": 6,
                "seeds": 3,
            }
    if draw(st.booleans()):
        data["job"]["current_interval_s"] = draw(_SECONDS)
    if draw(st.booleans()):
        data["job"]["step_s"] = min(draw(_SECONDS), data["job"]["work_s"])
    return data


def answer_or_refusal(job: Job, model: FirstOrder | Exact) -> tuple[Plan | None, str]:
    try:
        return plan(job, model), ""
    except JobError as error:
        return None, str(error)


@given(data=jobs(), model=st.sampled_from(MODELS))
@settings(max_examples=400)
def test_over_the_whole_input_space(data: dict[str, Any], model: FirstOrder | Exact) -> None:
    job = job_from_mapping(data)
    answer, refusal = answer_or_refusal(job, model)
    if answer is None:
        assert "can finish" in refusal
        if isinstance(model, FirstOrder):  # failures cost 1e9 times the work and more
            stop_s = job.full_recovery.response(FailureKind.SHARD).total_s
            assert max(stop_s, (job.job.step_s or 0.0) / 2) > 1e8 * job.failure_mix.mtbf_s  # or a step's loss does
        return
    json.dumps(answer.to_dict(), allow_nan=False)
    budget = job.pls_budget
    for one in answer.strategies:
        parts = one.breakdown
        assert sum(parts) == pytest.approx(one.overhead_fraction, rel=1e-12)
        assert min(parts) >= 0
        assert 0 < one.interval_s <= job.job.work_s * (1 + 1e-12)
        assert 0 < one.effective_time_ratio <= 1
        assert one.expected_pls >= 0
        if isinstance(model, Exact):
            assert one.expected_pls <= 1
        if one.feasible and one.expected_pls > 0:
            assert budget is not None
            assert one.expected_pls <= budget * (1 + 1e-9)
        if one.feasible:
            assert one.overhead_fraction >= answer.best.overhead_fraction * (1 - TIE)
    assert answer.best.feasible
    assert answer.sentence.endswith(".")
    assert job_from_mapping(answer.to_dict()["inputs"]) == job


@given(data=jobs(), model=st.sampled_from(MODELS), where=st.floats(0, 1), partial=st.booleans())
@settings(max_examples=300)
def test_no_interval_at_all_beats_the_recommendation(
    data: dict[str, Any], model: FirstOrder | Exact, where: float, partial: bool
) -> None:
    """Not only the listed strategies: any interval with either recovery that keeps the budget costs as much."""
    job = job_from_mapping(data)
    if partial and (job.cluster.embedding_shards is None or job.pls_budget is None):
        return
    answer, _ = answer_or_refusal(job, model)
    if answer is None:
        return
    best = answer.best
    work, step_s = job.job.work_s, job.job.step_s
    tau = work ** (1 - where) * min(best.interval_s * 1e-3, work) ** where
    if step_s is not None:
        tau = min(max(1, round(tau / step_s)) * step_s, work)
    if partial and isinstance(model, FirstOrder):  # which keeps the budget in a job without an end
        endless = replace(terms_of(job), work_s=1e6 * work)
        if endless.pls(tau) > job.pls_budget and terms_of(job).pls(work) > job.pls_budget:
            return
    recovery = job.partial_recovery if partial else job.full_recovery
    other = price(job, model, Strategy("other", recovery, job.saving, tau))
    if other.feasible and math.isfinite(other.overhead_fraction):
        near = 2e-3 if step_s is not None and isinstance(model, Exact) else 1e-9  # uneven pieces, of many numbers
        assert other.overhead_fraction >= best.overhead_fraction * (1 - near)


def test_threads_agree() -> None:
    job = Job.from_file(EXAMPLE)
    expected = plan(job, Exact()).to_dict()
    found: list[dict[str, Any]] = []

    def work() -> None:
        found.extend(plan(job, Exact()).to_dict() for _ in range(5))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 40
