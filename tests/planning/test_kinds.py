"""A saving policy of one's own is registered, then planned, swept and told like those that ship."""

from __future__ import annotations

import tomllib

import pytest

from cprmodel import Exact, FirstOrder, Job, SteadyState, load_preset, plan, plan_many, simulate
from cprmodel.bulk import Sweep, grid_of
from cprmodel.costing import CostModel, kinds
from cprmodel.facts.strategies import PrioritySave, Strategy
from cprmodel.planning.pricing import price
from tests.conftest import EXAMPLE, load_script

OWN = load_script(EXAMPLE.parent / "own_saving_policy.py")


@pytest.fixture
def compressed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Registered, for one test."""
    monkeypatch.setattr(kinds, "_KINDS", dict(kinds._KINDS))
    kinds.register(OWN.CompressedSave, OWN.Compression(ratio=0.3, compress_s=6.0))


@pytest.mark.usefixtures("compressed")
@pytest.mark.parametrize("model", [FirstOrder(), Exact()])
def test_it_is_planned_like_the_others(model: CostModel) -> None:
    job = load_preset("bloom-176b")
    answer = plan(job, model)
    one = answer["full-compressed"]
    shorter = job.with_costs(6 + 0.3 * job.save_s, job.failure_mix)
    assert one.strategy.saving.save_s == shorter.save_s
    assert one.interval_s == plan(shorter, model)["full"].interval_s
    assert one.overhead_fraction == plan(shorter, model)["full"].overhead_fraction
    assert answer.recommended == "full-compressed"
    assert "full-compressed: writes 30% of a checkpoint" in answer.warnings
    assert "(full-compressed, " in answer.what_would_change_it[-1]
    found = simulate(job, one.strategy, runs=2000, seed=3).overhead_fraction
    assert found.mean == pytest.approx(one.overhead_fraction, rel=0.1)


@pytest.mark.usefixtures("compressed")
def test_sweeps_know_it() -> None:
    job = load_preset("bloom-176b")
    grid = grid_of(job, {"checkpoint.reschedule": [600.0, 1200.0]})
    assert not Sweep(job, grid).vectorised  # the arrays know only what ships
    found = plan_many(job, {"checkpoint.reschedule": [600.0, 1200.0]}, workers=1)
    assert set(found["recommended"]) == {"full-compressed"}


def test_unregistered_it_is_gone() -> None:
    assert [one.name for one in plan(load_preset("bloom-176b")).strategies if "compressed" in one.name] == []


@pytest.mark.parametrize("order", ["mfu", "update-age"])
def test_orders_under_every_model(order: str) -> None:
    """In a job of many intervals the exact model and the long run agree, on what is written too."""
    data = tomllib.loads((EXAMPLE.parent / "ordered-saves.toml").read_text(encoding="utf-8"))
    data["job"] |= {"work": "300 d"}
    data["checkpoint"] |= {"size": "1.2 TB", "bandwidth": "5 GB/s"}
    del data["checkpoint"]["save"]
    job = Job.from_mapping(data)
    saving = PrioritySave(job.save_s * 0.125, 0.125, order)
    strategy = Strategy(f"partial-{order}", job.partial_recovery, saving, 8 * 3600.0)
    exact, long = price(job, Exact(), strategy), price(job, SteadyState(), strategy)
    assert long.overhead_fraction == pytest.approx(exact.overhead_fraction, rel=1e-3)
    assert long.expected_pls == pytest.approx(exact.expected_pls, rel=1e-2)
    assert long.write_bytes_per_month == pytest.approx(exact.write_bytes_per_month, rel=1e-2)
