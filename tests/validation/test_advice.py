"""An advisor inside real training with real kills: it lives in the trainer, and dies with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cprmodel import Job, plan
from cprmodel.advising.learning import PRIOR_FAILURES
from cprmodel.advising.state import read_state
from cprmodel.formulas import exact_interval, mtbf_with_prior
from tests.validation.helpers import SHARDS, small, train
from validation.audit import audit
from validation.case import Case

CASES = Path(__file__).parent.parent.parent / "validation" / "cases"
STEPS = 400
MTBF_S = 4.0 * 3600
#: What the run is charged; the advisor is told of a save four times, and an MTBF ten times as long.
TRUTH = f"""
[job]
work = "40 h"
[cluster]
embedding_shards = {SHARDS}
[failures]
mtbf = "4 h"
trainer_share = 0.1
whole_job_share = 0.1
[checkpoint]
save = "4 min"
load = "2 min"
reschedule = "6 min"
[accuracy]
pls_budget = 0.05
"""
PLAN = TRUTH.replace('mtbf = "4 h"', 'mtbf = "40 h"').replace('save = "4 min"', 'save = "16 min"')


def advised(recovery: str, folder: Path, **tables: Any) -> Case:
    (folder / "truth.toml").write_text(TRUTH)
    (folder / "plan.toml").write_text(PLAN)
    return small(
        data={"samples": 32 * STEPS, "batch_size": 32, "test_samples": 200},
        training={"device": "cpu", "evaluate": False},
        strategy={"recovery": recovery, "advice": str(folder / "plan.toml"), "interval_steps": None},
        **tables,
    )


@pytest.mark.parametrize("recovery", ["full", "partial"])
def test_it_learns_what_the_run_shows(recovery: str, tmp_path: Path) -> None:
    """On an emulated clock, so that all times are known: what it believes follows from the event log."""
    clock = {"job": str(tmp_path / "truth.toml")}
    (tmp_path / "truth.toml").write_text(TRUTH)
    case = advised(recovery, tmp_path, clock=clock, failures={"seed": 18})
    events, found = train(case, tmp_path / "run")
    assert found.status == "finished"
    assert found.wrong_statuses == found.unplanned_deaths == 0
    assert audit(case, tmp_path / "run").wrong == []
    kinds = [e["kind"] for e in events if e["event"] == "failure"]
    count = len(kinds)
    assert count >= 8
    assert {"shard", "trainer", "whole_job"} <= set(kinds)  # the advisor has died with the trainer, too
    advice = [e for e in events if e["event"] == "advice"]
    last = advice[-1]
    assert last["failures"] == count
    saves = sum(e["event"] == "save" and e["step"] > 0 for e in events)
    assert last["save_s"] == pytest.approx((960 + 240 * saves) / (1 + saves))
    # the time at risk is all the run's, but for parts of steps that died with the trainer
    step_s = 40 * 3600 / STEPS
    assert last["exposure_s"] == pytest.approx(last["clock_s"], abs=step_s * (kinds.count("trainer") + 2))
    assert last["mtbf_s"] == pytest.approx(mtbf_with_prior(10 * MTBF_S, PRIOR_FAILURES, count, last["exposure_s"]))
    if recovery == "full":
        assert last["interval_s"] == pytest.approx(exact_interval(last["save_s"], last["mtbf_s"]))
    planned = plan(Job.from_file(tmp_path / "plan.toml"))[recovery].interval_s
    assert last["interval_s"] < planned
    assert saves > 40 * 3600 / planned
    state = read_state(tmp_path / "run" / "advisor.json")
    assert state is not None
    assert state.experience.failures == count


def test_saves_come_when_it_says(tmp_path: Path) -> None:
    """Without failures: after the interval it has just said, to the step."""
    (tmp_path / "truth.toml").write_text(TRUTH)
    never = {"mtbf": "1e6 h", "most": 1}
    case = advised("full", tmp_path, clock={"job": str(tmp_path / "truth.toml")}, failures=never)
    events, _ = train(case, tmp_path / "run")
    step_s = 40 * 3600 / STEPS
    advice = [e for e in events if e["event"] == "advice"]
    saved = [e["step"] for e in events if e["event"] == "save"]
    said = [exact_interval(960.0, 10 * MTBF_S), *(e["interval_s"] for e in advice)]
    assert len(saved) > 5
    for before, after, interval in zip(saved, saved[1:], said, strict=False):
        assert 0 <= (after - before) * step_s - interval < step_s * (1 + 1e-9)


def test_the_example_in_measured_time(tmp_path: Path) -> None:
    """Times as they are on this machine: what matters is that it saves, dies, learns and goes on."""
    case = Case.from_file(CASES / "advised.toml")
    events, found = train(case, tmp_path / "run")
    assert found.status == "finished"
    assert found.wrong_statuses == found.unplanned_deaths == 0
    assert audit(case, tmp_path / "run").wrong == []
    state = read_state(tmp_path / "run" / "advisor.json")
    assert state is not None
    learned = state.experience
    assert (learned.shard, learned.trainer, learned.whole_job) == (1, 1, 1)
    saves = [e for e in events if e["event"] == "save" and e["step"] > 0]
    assert learned.saves == len(saves) >= 1
    assert learned.saving_s >= 0.99 * sum(e["seconds"] for e in saves)
    stops = sum(f.recovered_s or 0.0 for f in found.failures)
    assert learned.recovering_s == pytest.approx(stops, rel=0.5)


def test_what_a_case_may_not_say(tmp_path: Path) -> None:
    from cprmodel import JobError

    (tmp_path / "plan.toml").write_text(PLAN)
    advice = str(tmp_path / "plan.toml")
    for strategy, message in (
        ({"advice": advice, "interval_steps": 8}, "expected no interval_steps, save_steps or order beside it"),
        ({"advice": advice, "save_steps": [3]}, "expected no interval_steps, save_steps or order beside it"),
        ({"advice": "nowhere.toml"}, "expected a job to begin with \\(nowhere.toml: expected a job file"),
        (
            {"advice": "preset:rsc-1", "recovery": "partial"},
            "begin with \\(Advisor: cluster.embedding_shards",
        ),
    ):
        with pytest.raises(JobError, match=message):
            Case.from_mapping({"strategy": strategy})
    with pytest.raises(JobError, match=f"shards.count = 5: expected {SHARDS}, as in the job of strategy.advice"):
        Case.from_mapping({"strategy": {"advice": advice}, "shards": {"count": 5}})
    case = Case.from_mapping({"strategy": {"advice": advice}, "shards": {"count": SHARDS}})
    again = Case.model_validate(json.loads(case.model_dump_json()))  # as the trainer reads it
    assert again.strategy.advised == case.strategy.advised
    beside = tmp_path / "case.toml"
    beside.write_text(f'[strategy]\nadvice = "plan.toml"\n[shards]\ncount = {SHARDS}\n')
    assert Case.from_file(beside).strategy.advised == case.strategy.advised
