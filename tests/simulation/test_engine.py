"""Seeds, streams, cores, interruption, refusal: what surrounds the kernels."""

from __future__ import annotations

import numpy as np
import pytest

from cprmodel import Exact, Job, JobError, load_preset, plan, simulate
from cprmodel.facts.errors import DomainError
from cprmodel.facts.strategies import Strategy
from cprmodel.jobs import job_from_text
from cprmodel.simulation import Exponential, FailuresStrike, Gamma, LogNormal, Replay, Weibull
from tests.conftest import EXAMPLE

TEXT = EXAMPLE.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def job() -> Job:
    return Job.from_file(EXAMPLE)


@pytest.fixture(scope="module")
def strategy(job: Job) -> Strategy:
    return plan(job)["partial"].strategy


def test_same_result_whatever_the_number_of_workers(job: Job, strategy: Strategy) -> None:
    one = simulate(job, strategy, 40_000, seed=1, workers=1)
    for workers in (2, 3, -1, None):
        other = simulate(job, strategy, 40_000, seed=1, workers=workers)
        assert (one.times_s == other.times_s).all()
        assert (one.pls_of_runs == other.pls_of_runs).all()
        assert one == other


def test_more_runs_begin_with_the_same_ones(job: Job, strategy: Strategy) -> None:
    few, many = (simulate(job, strategy, runs, seed=1) for runs in (8192, 30_000))
    assert (few.times_s == many.times_s[:8192]).all()


def test_seeds(job: Job, strategy: Strategy) -> None:
    by_int = simulate(job, strategy, 500, seed=7)
    sequence = np.random.SeedSequence(7)
    assert simulate(job, strategy, 500, seed=sequence) == by_int
    assert simulate(job, strategy, 500, seed=sequence) == by_int  # not advanced
    generator = np.random.default_rng(7)
    first, second = (simulate(job, strategy, 500, seed=generator) for _ in range(2))
    assert first != second  # advanced
    assert simulate(job, strategy, 500, seed=np.random.default_rng(7)) == first
    child = np.random.SeedSequence(7).spawn(2)[1]
    assert simulate(job, strategy, 500, seed=child) != by_int


def test_streams_of_batches_are_independent(job: Job) -> None:
    """Means of batches scatter as independent runs do (seeds 0, 1, 2, … used to correlate in other tools)."""
    found = simulate(job, plan(job)["full"].strategy, 64 * 8192, seed=3)
    batches = found.times_s.reshape(64, 8192).mean(axis=1)
    expected = found.times_s.std() / 8192**0.5
    # the SD of 64 batch means has a relative error of 1/√126
    assert batches.std(ddof=1) / expected == pytest.approx(1, abs=4 / 126**0.5)


def test_control_variates_have_mean_zero() -> None:
    """Plain minus controlled mean, over settings from mild to violent, in standard errors of the difference."""
    from cprmodel.simulation.control import expected_losses, time_control
    from cprmodel.simulation.kernel import COLUMNS
    from cprmodel.simulation.setting import Setting

    for mtbf in ("28 h", "5 h", "1 h"):
        for strikes in FailuresStrike:
            job = job_from_text(TEXT.replace('"28 h"', f'"{mtbf}"').replace('"56 h"', '"9 h"'))
            for recovery in (job.full_recovery, job.partial_recovery):
                setting = Setting(job, Strategy("x", recovery, job.saving, 1200.0), Exponential(), strikes)
                setting.limit = 10**7
                rows = setting.batch(20_000, np.random.SeedSequence(12))
                column = dict(zip(COLUMNS, rows.T, strict=True))
                control = time_control(setting, column)
                assert abs(control.mean()) < 4 * control.std() / len(rows) ** 0.5
                if not setting.full:
                    apart = column["lost"] - expected_losses(setting, column)
                    assert abs(apart.mean()) < 4 * apart.std() / len(rows) ** 0.5


def test_ctrl_c_returns_what_is_done_so_far(job: Job, strategy: Strategy) -> None:
    calls = []

    def stop_after_three(done: int) -> None:
        calls.append(done)
        if len(calls) == 3:
            raise KeyboardInterrupt

    for workers in (1, 2):
        calls.clear()
        found = simulate(job, strategy, 400_000, seed=1, workers=workers, progress=stop_after_three)
        assert found.interrupted
        assert found.runs == sum(calls)
        whole = simulate(job, strategy, found.runs, seed=1)
        assert (found.times_s == whole.times_s).all()


def test_ctrl_c_before_anything_is_done(job: Job, strategy: Strategy, monkeypatch: pytest.MonkeyPatch) -> None:
    from cprmodel.simulation.setting import Setting

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Setting, "batch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        simulate(job, strategy, 10, seed=1)


def test_progress_counts_every_run(job: Job, strategy: Strategy) -> None:
    done: list[int] = []
    simulate(job, strategy, 20_001, seed=1, progress=done.append)
    assert sum(done) == 20_001


def test_a_job_that_cannot_finish_is_refused(job: Job) -> None:
    hopeless = job_from_text(
        TEXT.replace('"28 h"', '"10 min"').replace('reschedule = "9 min"', 'reschedule = "3 h"')
    )
    strategy = Strategy("full", hopeless.full_recovery, hopeless.saving, 600.0)
    with pytest.raises(JobError, match="ends within 1000 times its work"):
        simulate(hopeless, strategy, 10)
    long = job_from_text(TEXT.replace('"56 h"', '"1e8 h"').replace('"28 h"', '"2 h"'))
    with pytest.raises(JobError, match="failures a run"):
        simulate(long, plan(long)["full"].strategy, 10)


@pytest.mark.parametrize(("runs", "seed"), [(0, 1), (-1, 1), (1.5, 1), (True, 1), (10, -1), (10, "x"), (10, 1.5)])
def test_bad_arguments(job: Job, strategy: Strategy, runs: object, seed: object) -> None:
    with pytest.raises(JobError, match="whole number"):
        simulate(job, strategy, runs, seed)  # type: ignore[arg-type]


@pytest.mark.parametrize("law", [Weibull, Gamma, LogNormal])
@pytest.mark.parametrize("shape", [0, -1, float("nan"), float("inf"), "x"])
def test_bad_shapes(law: type, shape: object) -> None:
    with pytest.raises(DomainError, match="expected a number from"):
        law(shape)


@pytest.mark.parametrize("times", [(), (0.0,), (-1.0, 2.0), (float("nan"),)])
def test_bad_replays(times: tuple[float, ...]) -> None:
    with pytest.raises(DomainError, match="replay"):
        Replay(times)


def test_replay_of_constant_times(job: Job) -> None:
    """A failure every three hours, each during work: the time can be counted by hand."""
    text = TEXT.replace('"56 h"', '"8 h"').replace('detect = "1 min"', 'detect = "0 s"')
    short = job_from_text(text.replace('reschedule = "9 min"', 'reschedule = "10 min"'))
    strategy = Strategy("full", short.full_recovery, short.saving, 3600.0)
    found = simulate(short, strategy, 5, law=Replay((3 * 3600.0,)))
    # per gap of 180 min: the first gets 2 chunks of 64 min; the others lose 14 min to recovery and get 2 each,
    # until the rest (8 - 6 = 2 pieces: 64 + 60 min) fits after the last recovery
    assert found.times_s == pytest.approx([3 * 180 * 60 + (14 + 64 + 60) * 60] * 5)


def test_an_interval_longer_than_the_job_is_no_save(job: Job) -> None:
    whole, longer = (
        simulate(job, Strategy("x", job.partial_recovery, job.saving, tau), 2000, seed=1)
        for tau in (job.job.work_s, 1e9)
    )
    assert (whole.times_s == longer.times_s).all()
    assert longer.breakdown.save == 0
    assert longer == whole


def test_no_failures(job: Job) -> None:
    calm = job_from_text(TEXT.replace('"28 h"', '"1e7 h"'))
    found = simulate(calm, plan(calm)["full"].strategy, 2)
    assert found.time_to_train_s.standard_error == 0
    assert found.to_dict()["standard_errors_from_prediction"]["overhead_fraction"] is None
    assert found.times_s[0] == pytest.approx(56 * 3600)


def test_every_preset(job: Job) -> None:
    from cprmodel.presets import preset_names

    for name in preset_names():
        one = load_preset(name)
        found = simulate(one, plan(one, Exact())["full"].strategy, 4000, seed=1)
        away = found.standard_errors_from_prediction()["overhead_fraction"]
        assert away is not None
        assert abs(away) < 3.5


def test_deadline(job: Job, strategy: Strategy) -> None:
    found = simulate(job, strategy, 10_000, seed=1)
    share, error = found.probability_by(60 * 3600)
    assert share == np.mean(found.times_s <= 60 * 3600)
    assert 0 < error < 0.01
    assert found.probability_by(1.0) == (0.0, 0.5 / 10_000)
    data = found.to_dict(deadline_s=60 * 3600)
    assert data["deadline"]["probability"] == share


RARE = """
[job]
work = "20000 s"
[cluster]
embedding_shards = 8
[failures]
mtbf = "{mtbf}"
trainer_share = 0.3
whole_job_share = 0.2
[checkpoint]
save = "200 s"
load = "300 s"
reschedule = "300 s"
[accuracy]
pls_budget = 0.1
"""


@pytest.mark.parametrize(("mtbf", "runs"), [("200000 s", 1000), ("200000 s", 20_000), ("2e6 s", 10_000)])
def test_standard_errors_are_honest_where_failures_are_rare(mtbf: str, runs: int) -> None:
    """Over 200 seeds the distance from the exact mean, in standard errors, must not exceed 3 more than 5 times.

    (Normal: 0.5 times expected. Plain means of rare failures are skewed: allow ten times that.)
    """
    rare = job_from_text(RARE.format(mtbf=mtbf))
    strategy = Strategy("full", rare.full_recovery, rare.saving, 2000.0)
    far = 0
    for seed in range(200):
        found = simulate(rare, strategy, runs, seed=seed, workers=1)
        away = found.standard_errors_from_prediction()["overhead_fraction"]
        far += away is None or abs(away) > 3
    assert far <= 5
