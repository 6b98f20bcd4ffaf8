"""Plans with a harm record: each order of saving by its own slope, and the order of least harm beside them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cprmodel import Exact, JobError, load_job, plan
from cprmodel.harm.record import write_harm
from cprmodel.jobs.accuracy_model import OrderSlope
from cprmodel.ordering import simulate
from tests.harm.test_by_order import UNLIKE

DROP = 5e-7  #: to accept, of the log loss

JOB = """
[job]
work = "56 h"
step = "0.2 s"
[cluster]
embedding_shards = 8
[failures]
mtbf = "28 h"
shard_share = 0.9
trainer_share = 0.05
whole_job_share = 0.05
[checkpoint]
save = "4 min"
load = "4 min"
partial_load = "30 s"
[accuracy]
{budget}
model = "harm.json"
{metric}
[access]
priority_fraction = 0.125
[[access.tables]]
rows = 1_000_000
zipf = 1.05
updates_per_second = 1e5
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("harm")
    write_harm(UNLIKE.record, found / "harm.json")
    return found


def job_in(folder: Path, budget: str = f"max_metric_drop = {DROP}", metric: str = 'metric = "log loss"') -> Path:
    path = folder / "job.toml"
    path.write_text(JOB.format(budget=budget, metric=metric))
    return path


@pytest.fixture(scope="module")
def ordered(folder: Path) -> Path:
    return job_in(folder)


def test_each_order_keeps_the_budget_of_the_metric_by_its_own_slope(ordered: Path) -> None:
    job = load_job(ordered)
    assert job.accuracy is not None
    assert job.accuracy.model is not None
    known = job.accuracy.model.orders
    assert known is not None
    for model in (None, Exact()):
        answer = plan(job, model)
        within = [one for one in answer.strategies if one.order is not None]
        assert [one.order for one in within] == ["mfu", "ssu", "update-age", "best-fixed", "least-harm"]
        for one in within:
            assert one.set_by == "the accuracy budget"
            assert one.feasible
            assert one.expected_metric_drop is not None
            assert 0.985 * DROP < one.expected_metric_drop <= DROP * (1 + 1e-6)  # budgets within half a percent
            share = one.interval_s / job.job.work_s
            slopes = [of.slope_at(share) for of in known.values()]
            slope = known[one.order].slope_at(share) if one.order in known else max(slopes)
            assert one.expected_metric_drop == pytest.approx(slope * one.expected_pls)
            assert one.pls_budget == pytest.approx(DROP / slope)
            low, high = one.expected_metric_drop_interval_90 or (0.0, 0.0)
            assert low <= one.expected_metric_drop <= high


def test_least_harm_loses_mfus_updates_times_what_the_record_says(ordered: Path) -> None:
    job = load_job(ordered)
    answer = plan(job)
    said = next(one for one in answer.warnings if one.startswith("partial-least-harm: expected PLS is MFU's"))
    of_mfu, times = map(float, re.findall(r"(?:, |times )([\d.]+)", said)[:2])
    least = answer["partial-least-harm"]
    assert least.expected_pls == pytest.approx(of_mfu * times, rel=0.01)
    own = job.accuracy.of_order("least-harm") if job.accuracy else None
    assert own is not None
    assert times == pytest.approx(own.updates_at(least.interval_s / job.job.work_s), rel=0.01)


def test_a_budget_of_lost_samples_is_that_of_every_order(folder: Path) -> None:
    answer = plan(load_job(job_in(folder, "pls_budget = 0.01", "")))
    assert {one.pls_budget for one in answer.strategies} == {0.01}
    assert all(one.expected_pls <= 0.01 * (1 + 1e-6) for one in answer.strategies if one.order)
    drops = {one.order: one.expected_metric_drop for one in answer.strategies if one.order}
    assert len(set(drops.values())) == len(drops)  # which cost different drops


def test_orders_are_played_out_for_jobs_that_can_take_them(folder: Path) -> None:
    path = job_in(folder)
    text = path.read_text()
    path.write_text(text[: text.index("[access]")])
    job = load_job(path)
    assert job.accuracy is not None
    assert job.accuracy.model is not None
    assert job.accuracy.model.orders is None
    assert not any(one.order for one in plan(job).strategies)


def test_least_harm_is_not_played_by_updates_alone(ordered: Path) -> None:
    job = load_job(job_in(ordered.parent))
    with pytest.raises(JobError, match=r"strategy\.saving\.order = least-harm: expected one of mfu, ssu"):
        simulate(job, plan(job)["partial-least-harm"].strategy, 100)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"updates_lost": (1.0,)}, "expected as many numbers as interval_shares"),
        ({"interval_shares": (0.5, 0.1)}, "expected ascending numbers"),
        ({"metric_drop_per_pls": (0.0, 1.0)}, "greater than 0"),
    ],
)
def test_what_an_order_costs_is_checked(change: dict[str, object], said: str) -> None:
    given = {
        "interval_shares": (0.1, 0.5),
        "metric_drop_per_pls": (1.0, 2.0),
        "standard_error": (0.0, 0.0),
        "updates_lost": (1.0, 1.0),
    }
    with pytest.raises(ValueError, match=said):
        OrderSlope.model_validate({**given, **change})
