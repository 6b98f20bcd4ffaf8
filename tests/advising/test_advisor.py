"""The advisor by its public methods, with a clock of its own; its file as a crash would leave it."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import integrate, optimize, stats

from cprmodel import Advisor, AdvisorWarning, DomainError, Exact, Job, JobError, load_job, plan
from cprmodel.advising.learning import PRIOR_FAILURES
from cprmodel.advising.state import State, digest_of, read_state, write_state
from cprmodel.facts.strategies import PartialRecovery
from cprmodel.formulas import exact_interval, exact_pls, mtbf_with_prior
from cprmodel.jobs import Access, Table

MTBF, SAVE = 28 * 3600.0, 240.0


def job(mtbf: str = "28 h", **shares: float) -> Job:
    return Job.from_mapping(
        {
            "job": {"work": "10000 h"},
            "cluster": {"embedding_shards": 8},
            "failures": {"mtbf": mtbf, **shares},
            "checkpoint": {"save": "4 min", "load": "4 min", "reschedule": "10 min", "partial_load": "30 s"},
            "accuracy": {"pls_budget": 0.05},
        }
    )


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_it_begins_with_the_plan(clock: Clock) -> None:
    full = Advisor(job(), "full", None, clock=clock)
    assert full.interval_s == exact_interval(SAVE, MTBF)
    assert (full.save_s, full.mtbf_s) == (SAVE, MTBF)
    partial = Advisor(job(), "partial", None, clock=clock)
    stops = job().partial_recovery
    strikes = {
        "save_s": SAVE,
        "partial_load_s": stops.partial_load_s,
        "partial_reschedule_s": stops.partial_reschedule_s,
    }
    assert exact_pls(1e9, partial.interval_s, MTBF, shards=8, **strikes) == pytest.approx(0.05, rel=1e-4)
    assert isinstance(Advisor(job(), None, None).recovery, PartialRecovery)  # what the plan recommends
    assert plan(job()).recommended == "partial"
    assert Advisor(load_job("preset:rsc-1"), None, None).recovery.name == "full"


def test_saves_and_failures_move_it(clock: Clock) -> None:
    """Weighted mean and conjugate update, reckoned here by hand."""
    advisor = Advisor(job(), "full", None, clock=clock)
    for seconds in (100.0, 130.0):
        clock.now += 3600.0
        advisor.saved(seconds)
    assert advisor.save_s == pytest.approx((240 + 100 + 130) / 3)
    assert advisor.mtbf_s == pytest.approx(
        (PRIOR_FAILURES * MTBF + 7200) / PRIOR_FAILURES
    )  # nothing failed so long
    clock.now += 1800.0
    advisor.failed("shard", lost_s=1200.0, recovery_s=600.0)
    expected = (PRIOR_FAILURES * MTBF + 9000) / (PRIOR_FAILURES + 1)
    assert advisor.mtbf_s == pytest.approx(expected)
    assert advisor.interval_s == pytest.approx(exact_interval(advisor.save_s, expected))
    assert advisor.seen.overhead_fraction == pytest.approx(2030 / (9000 - 2030))


def test_the_update_is_bayes(clock: Clock) -> None:
    """Against the posterior by quadrature: its mean rate, and the interval of least expected overhead."""
    prior = stats.gamma(PRIOR_FAILURES, scale=1 / (PRIOR_FAILURES * 2.0))
    failures, exposure = 3, 5.0

    def weight(rate: Any) -> Any:
        return prior.pdf(rate) * stats.poisson(rate * exposure).pmf(failures)

    mass = integrate.quad(weight, 0, 20)[0]
    mean = integrate.quad(lambda rate: rate * weight(rate), 0, 20)[0] / mass
    assert 1 / mean == pytest.approx(mtbf_with_prior(2.0, PRIOR_FAILURES, failures, exposure), rel=1e-6)
    save = 1e-3

    def overhead(interval: float) -> float:
        return integrate.quad(lambda rate: (save / interval + rate * interval / 2) * weight(rate), 0, 20)[0] / mass

    least = optimize.minimize_scalar(overhead, bounds=(1e-3, 1), method="bounded", options={"xatol": 1e-9}).x
    assert least == pytest.approx(math.sqrt(2 * save / mean), rel=1e-4)


@pytest.mark.parametrize("recovery", ["partial", "full"])
def test_beside_an_order_of_rows_it_says_what_its_interval_is_for(clock: Clock, recovery: str) -> None:
    """Of saves of everything; orders are of partial recovery."""
    access = Access(tables=(Table(rows=10**6, zipf=1.05, updates_per_second=1e5),))
    ordered = job().model_copy(update={"access": access})
    advisor, plain = (Advisor(one, recovery, None, clock=clock) for one in (ordered, job()))
    assert advisor.interval_s == plain.interval_s
    assert ("for saves that write everything" in advisor.why()) == (recovery == "partial")
    assert "for saves that write everything" not in plain.why()


def test_kinds_are_learned_apart(clock: Clock) -> None:
    """Failures of the whole job, unknown to the plan, cap partial recovery's interval at its optimum."""
    advisor = Advisor(job(), "partial", None, clock=clock)
    assert "the accuracy budget" in advisor.why()
    for _ in range(20):
        clock.now += 20 * 3600.0
        advisor.failed("whole_job", lost_s=600.0, recovery_s=600.0)
    assert "the least overhead" in advisor.why()
    believed = job().with_mtbf(advisor.mtbf_s)
    assert advisor.interval_s == pytest.approx(
        Exact().next_interval(believed, believed.full_recovery).interval_s, 0.3
    )
    shards = Advisor(job(trainer_share=0.5), "partial", None, clock=clock)
    before = shards.interval_s
    for _ in range(20):
        clock.now += 28 * 3600.0
        shards.failed("trainer", recovery_s=600.0)
    assert shards.interval_s > 5 * before  # trainers lose no samples


def test_when_it_asks_for_a_save(clock: Clock) -> None:
    advisor = Advisor(job(), "full", None, clock=clock)
    clock.now += advisor.interval_s - 1
    assert not advisor.step()
    clock.now += 1.001
    assert advisor.step()
    assert advisor.should_save()
    clock.now += 200
    advisor.saved(200.0)
    assert not advisor.should_save()
    assert advisor.steps == 2
    # everybody rolled back: the interval begins anew
    clock.now += advisor.interval_s - 10
    advisor.failed("shard", recovery_s=600.0)
    clock.now += advisor.interval_s - 1
    assert not advisor.should_save()
    clock.now += 2
    assert advisor.should_save()


def test_partial_recovery_keeps_the_work_of_the_others(clock: Clock) -> None:
    """The stop is no work; what stood unsaved still does."""
    advisor = Advisor(job(), "partial", None, clock=clock)
    clock.now += 3000.0
    advisor.failed("shard", lost_s=2400.0, recovery_s=600.0)
    clock.now += advisor.interval_s - 2400.0 - 1
    assert not advisor.should_save()
    clock.now += 2
    assert advisor.should_save()
    assert advisor.seen.lost_s == 0  # nobody did it again
    assert "Portion of lost samples so far" in advisor.why()
    clock.now += 100
    advisor.saved(100.0)
    clock.now += 5000.0
    advisor.failed("trainer", recovery_s=600.0, unsaved_s=4000.0)
    clock.now += advisor.interval_s - 4000.0 + 1
    assert advisor.should_save()


def test_a_notice(clock: Clock) -> None:
    advisor = Advisor(job(), "full", None, clock=clock)
    assert not advisor.warned(lead_s=120.0)  # no save fits
    assert not advisor.should_save()
    assert advisor.warned(lead_s=120.0, save=True)
    assert not Advisor(job(), "full", None, clock=clock).warned(lead_s=600.0, save=False)
    assert advisor.warned(lead_s=600.0)
    assert advisor.step()
    assert "A failure is announced." in advisor.why()
    clock.now += 200.0
    advisor.saved(200.0)
    assert not advisor.step()
    before = advisor.mtbf_s
    clock.now += 900.0
    advisor.failed("whole_job", lost_s=300.0, recovery_s=600.0)
    assert (advisor.seen.failures, advisor.seen.announced) == (0, 1)  # more saves would have kept nothing
    assert advisor.mtbf_s > before
    advisor.warned(lead_s=600.0)  # false alarm: the next failure is none that was announced
    clock.now += 300.0
    advisor.saved(200.0)
    clock.now += 10_000.0
    advisor.failed("whole_job")
    assert advisor.seen.failures == 1


def test_a_notice_after_which_nothing_was_saved(clock: Clock) -> None:
    advisor = Advisor(job(), "full", None, clock=clock)
    advisor.warned(lead_s=600.0)
    clock.now += 700.0
    advisor.failed("whole_job", recovery_s=100.0)
    assert advisor.seen.failures == 1


def test_why_has_the_numbers(clock: Clock) -> None:
    advisor = Advisor(job(), "full", None, clock=clock)
    assert "none was seen yet" in advisor.why()
    clock.now += 7200.0
    advisor.saved(200.0)
    clock.now += 7200.0
    advisor.failed("shard", lost_s=6600.0, recovery_s=600.0)
    text = advisor.why()
    for piece in (
        "full recovery, set by the least overhead",
        "A save takes 3 min 40 s: 1 save took 3 min 20 s on average, and the plan's 4 min counts as 1 more.",
        "1 failure (1 shard) in 4 h, and the plan's 28 h counts as 0.5 of a failure.",
        "Overhead so far 106%: saves 3 min 20 s, lost work 1 h 50 min, recoveries 10 min of 4 h.",
    ):
        assert piece in text


def test_why_says_that_planned_stops_are_to_be_told(clock: Clock) -> None:
    """The plan's interval is bounded by the stop a night; the advisor's is not, until it is told of one."""
    data = job().model_dump(exclude_none=True)
    data["failures"]["planned"] = [{"every_s": 86400.0, "lasts_s": 3600.0}]
    nightly = Advisor(Job.from_mapping(data), "full", None, clock=clock)
    assert "Planned stops are not in it: tell it each with warned(deadline=...)." in nightly.why()
    assert "Planned stops" not in Advisor(job(), "full", None, clock=clock).why()
    assert nightly.interval_s == Advisor(job(), "full", None, clock=clock).interval_s
    nightly.warned(lead_s=300.0)
    assert nightly.should_save()


def test_steps_as_long_as_they_were(clock: Clock) -> None:
    advisor = Advisor(job(), "full", None, clock=clock)
    assert advisor.interval_steps is None
    for _ in range(100):
        clock.now += 2.0
        advisor.step()
    clock.now += 50
    advisor.saved(50.0)  # no part of the steps
    assert advisor.interval_steps == round(advisor.interval_s / 2)


# -- its file --------------------------------------------------------------------------------------------------


def test_what_was_learned_outlives_the_process(clock: Clock, tmp_path: Path) -> None:
    path = tmp_path / "advisor.json"
    with Advisor(job(), "full", path, clock=clock) as first:
        assert not first.interrupted
        for _ in range(3):
            clock.now += 3600.0
            first.step()
            first.saved(100.0)
    second = Advisor(job(), "full", path, clock=Clock())
    assert not second.interrupted
    assert second.seen == first.seen
    assert (second.steps, second.interval_s) == (3, first.interval_s)
    assert [one.name for one in tmp_path.iterdir()] == ["advisor.json"]


def test_a_process_that_was_killed(clock: Clock, tmp_path: Path) -> None:
    """The next one sees it; told of the failure, it adds the time that no clock saw."""
    path = tmp_path / "advisor.json"
    first = Advisor(job(), "full", path, clock=clock)
    clock.now += 3600.0
    first.saved(100.0)
    clock.now += 1800.0  # and no more of it
    later = Clock()
    second = Advisor(job(), "full", path, clock=later)
    assert second.interrupted
    assert "ended without a word" in second.why()
    later.now += 400.0
    second.failed("whole_job", lost_s=1800.0, recovery_s=700.0)
    assert not second.interrupted
    assert second.seen.exposure_s == pytest.approx(3600 + 1800 + 700)
    assert second.seen.failures == 1
    later.now += 50.0
    second.failed("shard", lost_s=50.0, recovery_s=0.0)  # by the clock
    assert second.seen.exposure_s == pytest.approx(3600 + 1800 + 700 + 50)
    third = Advisor(job(), "full", path, clock=Clock())
    third.failed("whole_job")  # nobody knows how much: half an interval, and the planned stop
    assert third.seen.lost_s == pytest.approx(1800 + 50 + second.interval_s / 2)
    assert third.seen.recovering_s == pytest.approx(700 + 840)


def test_an_announced_death_of_the_process(clock: Clock, tmp_path: Path) -> None:
    first = Advisor(job(), "full", tmp_path / "a.json", clock=clock)
    first.warned(lead_s=600.0)
    clock.now += 300.0
    first.saved(250.0)
    second = Advisor(job(), "full", tmp_path / "a.json", clock=Clock())
    second.failed("whole_job", lost_s=0.0, recovery_s=900.0)
    assert (second.seen.failures, second.seen.announced) == (0, 1)


@pytest.mark.parametrize("cut", ["half", "empty", "bit", "other", "list", "bytes", "keys"])
def test_a_damaged_file_is_noticed_and_replaced(cut: str, clock: Clock, tmp_path: Path) -> None:
    path = tmp_path / "advisor.json"
    with Advisor(job(), "full", path, clock=clock) as first:
        clock.now += 3600.0
        first.saved(100.0)
    whole = path.read_bytes()
    body = json.loads(whole)
    damaged = {
        "half": whole[: len(whole) // 2],
        "empty": b"",
        "bit": whole.replace(b'"saves": 1', b'"saves": 7'),
        "other": b'{"hello": 1}',
        "list": b"[]",
        "bytes": b"\xff\xfe\x00",
        "keys": json.dumps({**body, "sha256": None}).encode(),
    }[cut]
    assert damaged != whole
    path.write_bytes(damaged)
    with pytest.warns(AdvisorWarning, match="is damaged"):
        again = Advisor(job(), "full", path, clock=clock)
    assert again.seen.saves == 0
    assert again.interval_s == exact_interval(SAVE, MTBF)
    assert "is damaged" in again.why()
    found = read_state(path)  # replaced at once
    assert found is not None
    assert found.experience.saves == 0


def test_every_truncation_is_noticed(tmp_path: Path) -> None:
    """All but the newline at the end."""
    path = tmp_path / "advisor.json"
    Advisor(job(), "full", path)
    whole = path.read_bytes()
    for length in range(len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.warns(AdvisorWarning, match="is damaged"):
            Advisor(job(), "full", path)


def other_saves(data: Job) -> Job:
    return data.model_copy(update={"checkpoint": data.checkpoint.model_copy(update={"save_s": 60.0})})


def other_machines(data: Job) -> Job:
    return data.model_copy(update={"cluster": data.cluster.model_copy(update={"embedding_shards": 9})})


def test_another_job_s_file_is_refused(tmp_path: Path) -> None:
    Advisor(job(), "full", tmp_path / "a.json")
    other = other_saves(other_machines(job()))
    with pytest.raises(JobError, match=r"a\.json: expected this job's file: both its machines and its saves"):
        Advisor(other, "full", tmp_path / "a.json")
    kept = (tmp_path / "a.json").read_text()
    assert json.loads(kept)["advisor"]["job"] == digest_of(job())
    Advisor(other, "full", tmp_path / "a.json", adopt=True)


def test_a_plan_that_was_edited_keeps_what_still_applies(clock: Clock, tmp_path: Path) -> None:
    """What was seen are facts: they rest on the machines and on what is written, not on what was believed."""

    def again(changed: Job, **options: Any) -> Advisor:
        path = tmp_path / "a.json"
        path.unlink(missing_ok=True)
        with Advisor(job(), "full", path, clock=clock) as first:
            clock.now += 3600.0
            first.saved(100.0)
            clock.now += 3600.0
            first.failed("shard", lost_s=3600.0, recovery_s=0.0)
        return Advisor(changed, "full", path, clock=clock, **options)

    edited = again(job("30 h", trainer_share=0.2))
    assert (edited.seen.saves, edited.seen.failures, edited.remarks) == (1, 1, ())
    assert edited.mtbf_s == pytest.approx((PRIOR_FAILURES * 30 * 3600 + 7200) / (PRIOR_FAILURES + 1))
    with pytest.warns(AdvisorWarning, match="checkpoint has changed: what was learned of saves is begun anew"):
        edited = again(other_saves(job()))
    assert (edited.seen.saves, edited.seen.failures, edited.seen.exposure_s) == (0, 1, 7200.0)
    with pytest.warns(AdvisorWarning, match="cluster has changed: what was learned of failures is begun anew"):
        edited = again(other_machines(job()))
    assert (edited.seen.saves, edited.seen.failures, edited.seen.exposure_s) == (1, 0, 0.0)
    edited = again(other_machines(job()), adopt=True)
    assert (edited.seen.saves, edited.seen.failures) == (1, 1)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(JobError, match="expected a file that can be written"):
        Advisor(job(), "full", tmp_path / "none" / "a.json")
    with pytest.raises(JobError, match="expected a file that can be read"):
        Advisor(job(), "full", tmp_path)


def test_training_goes_on_when_the_disk_is_full(
    clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old file stays whole, nothing lies beside it, and it is said once."""
    path = tmp_path / "a.json"
    advisor = Advisor(job(), "full", path, clock=clock)
    before = path.read_bytes()

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.warns(AdvisorWarning, match="could not be written \\(No space left on device\\)"):
            advisor.saved(100.0)
        advisor.saved(100.0)  # no second warning, which would be an error here
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["a.json"]
    assert "could not be written" in advisor.why()
    advisor.saved(100.0)
    found = read_state(path)
    assert found is not None
    assert found.experience.saves == 3


def test_a_kill_while_writing_leaves_a_whole_file(tmp_path: Path) -> None:
    """A process that does nothing but write is killed again and again: what is there is always whole."""
    import signal
    import subprocess
    import sys
    import time

    path = tmp_path / "a.json"
    write_state(path, State("x", Advisor(job(), "full", None).seen))
    script = (
        "import sys; from pathlib import Path; from cprmodel.advising.state import *\n"
        "from cprmodel.advising.learning import Experience\n"
        "n = 0\n"
        "print('on', flush=True)\n"
        "while True:\n"
        "    n += 1; write_state(Path(sys.argv[1]), State('x', Experience(saves=n)))\n"
    )
    rng = np.random.default_rng(3)
    saves = []
    for _ in range(4):
        process = subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE)
        assert process.stdout
        process.stdout.readline()
        time.sleep(0.05 + float(rng.uniform(0, 0.05)))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        found = read_state(path)
        assert found is not None
        saves.append(found.experience.saves)
    assert max(saves) > 1


# -- what it is told -------------------------------------------------------------------------------------------


def test_bad_input_is_one_line(clock: Clock) -> None:
    advisor = Advisor(job(), "full", None, clock=clock)
    for value in (-1.0, math.nan, math.inf, "5"):
        with pytest.raises(DomainError, match=r"saved: seconds = .*: expected a number of at least 0"):
            advisor.saved(value)  # type: ignore[arg-type]
    with pytest.raises(
        DomainError, match='failed: kind = \'disk\': expected one of "shard", "trainer", "whole_job"'
    ):
        advisor.failed("disk")
    with pytest.raises(DomainError, match="failed: lost_s = -3"):
        advisor.failed("shard", lost_s=-3)
    with pytest.raises(DomainError, match="warned: lead_s = nan"):
        advisor.warned(math.nan)
    assert advisor.seen == Advisor(job(), "full", None, clock=clock).seen
    with pytest.raises(JobError, match='Advisor: recovery = "some": expected "full" or "partial"'):
        Advisor(job(), "some", None)
    data = job().model_dump(exclude_none=True)
    curve = [["10 min", 0.2], ["1 h", 0.45]]
    dirty = {**data["checkpoint"], "incremental": True, "dirty_curve": curve}
    with pytest.raises(JobError, match=r"checkpoint\.incremental = true: expected no such key: the advisor only"):
        Advisor(Job.from_mapping({**data, "checkpoint": dirty}), state=None)
    with pytest.raises(JobError, match="storage: expected no such table: the advisor knows of no other jobs"):
        Advisor(Job.from_mapping({**data, "storage": {"nodes": 8, "share": 0.1}}), state=None)
    with pytest.raises(JobError, match="Advisor: accuracy: expected a budget"):
        Advisor(job().model_copy(update={"accuracy": None}), "partial", None)
    with pytest.raises(JobError, match=r"Advisor: cluster\.embedding_shards: expected a number of shards"):
        Advisor(load_job("preset:rsc-1"), "partial", None)


def test_a_clock_that_runs_backwards_does_no_harm(clock: Clock) -> None:
    advisor = Advisor(job(), "full", None, clock=clock)
    clock.now += 100.0
    advisor.saved(1.0)
    clock.now -= 5000.0
    advisor.saved(1.0)
    assert advisor.seen.exposure_s == 100.0


STEPS = {
    "job": {"work": "3 h", "step": "3 min"},
    "cluster": {"embedding_shards": 18},
    "failures": {"mtbf": "50 min"},
    "checkpoint": {"save": "15 s", "load": "10 s", "reschedule": "10 s"},
    "accuracy": {"pls_budget": 0.0022},
}


def test_long_steps_are_counted_whole(clock: Clock) -> None:
    """One step keeps the budget, two do not (PLS .0036 played out): it does not wait for a second one."""
    advisor = Advisor(Job.from_mapping(STEPS), "partial", None, clock=clock)
    assert advisor.interval_s == 180.0
    assert "(about 1 step)" in advisor.why()
    clock.now += 180.0
    assert advisor.step()
    given = {"save_s": 15.0, "partial_load_s": 10 / 18, "partial_reschedule_s": 10.0}
    assert exact_pls(1e7, 180.0, 3000.0, 18, **given) < 0.0022 < exact_pls(1e7, 360.0, 3000.0, 18, **given)


# -- its file, and others ------------------------------------------------------------------------------------------


def test_a_second_process_has_the_file_and_the_first_says_so(clock: Clock, tmp_path: Path) -> None:
    """Two at once: nothing that was told is lost without a word."""
    path = tmp_path / "a.json"
    first = Advisor(job(), "full", path, clock=clock)
    first.failed("shard", lost_s=0.0, recovery_s=0.0)
    second = Advisor(job(), "full", path, clock=clock)
    assert second.seen.failures == 1
    with pytest.warns(AdvisorWarning, match="taken up by another process: what this one learns is not kept"):
        first.failed("shard", lost_s=0.0, recovery_s=0.0)
    for _ in range(2):
        first.failed("shard", lost_s=0.0, recovery_s=0.0)
        second.failed("trainer", lost_s=0.0, recovery_s=0.0)
    first.close()
    found = read_state(path)
    assert found is not None
    assert (found.experience.shard, found.experience.trainer) == (1, 2)
    assert found.open  # the first has not closed the second's
    assert "another process" in first.why()


def test_of_many_processes_at_once_one_has_the_file(tmp_path: Path) -> None:
    """What the file knows is what one of them was told since it took the file up; the others have warned."""
    import subprocess
    import sys

    path = tmp_path / "a.json"
    script = (
        "import sys, warnings; from cprmodel import Advisor, load_preset\n"
        "with warnings.catch_warnings(record=True) as heard:\n"
        "    warnings.simplefilter('always')\n"
        "    one = Advisor(load_preset('rsc-1'), 'full', sys.argv[1])\n"
        "    before = one.seen.failures\n"
        "    print('on', flush=True); sys.stdin.readline()\n"
        "    for _ in range(20): one.failed('shard', lost_s=0.0, recovery_s=0.0)\n"
        "print(before, sum('was taken up by another' in str(one.message) for one in heard))\n"
    )
    many = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    for one in many:
        assert one.stdout is not None
        assert one.stdout.readline() == "on\n"
    told = [one.communicate("\n")[0].split() for one in many]
    assert sorted(int(warned) for _, warned in told) == [0, 1, 1]
    found = read_state(path)
    assert found is not None
    assert found.experience.failures == 20
    assert [one.name for one in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"format": 2}, "its format is 2, not 1"),
        ({"format": 0}, "its format is 0"),
        ({"format": True}, "its format is True"),
        ({"format": "1"}, "its format is 1"),
        ({"experience": {"exposure_s": math.inf}}, "not what an advisor writes"),
        ({"experience": {"saving_s": math.nan}}, "not what an advisor writes"),
        ({"experience": {"saves": 10**400}}, "not what an advisor writes"),
        ({"experience": {"shard": -1}}, "not what an advisor writes"),
        ({"steps": math.inf}, "not what an advisor writes"),
        ({"steps": "many"}, "not what an advisor writes"),
        ({"unsaved_s": -1.0}, "not what an advisor writes"),
        ({"unsaved_s": 1e300}, "not what an advisor writes"),
        ({"experience": []}, "not what an advisor writes"),
    ],
)
def test_unknown_formats_and_impossible_numbers_are_damage(
    change: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    """Though the checksum is right; what was there is kept."""
    import hashlib

    path = tmp_path / "a.json"
    Advisor(job(), "full", path)
    whole = json.loads(path.read_text())
    body = whole["advisor"]
    for name, value in change.items():
        if name == "format":
            whole["format"] = value
        elif isinstance(value, dict):
            body[name] = {**body[name], **value}
        else:
            body[name] = value
    text = json.dumps(body, sort_keys=True, separators=(",", ":"))
    whole["sha256"] = hashlib.sha256(text.encode()).hexdigest()
    path.write_text(json.dumps(whole))
    damaged = path.read_bytes()
    with pytest.warns(AdvisorWarning, match=f"is damaged \\(.*{reason}.*it is kept as a.json.damaged-"):
        again = Advisor(job(), "full", path)
    assert again.seen.saves == again.seen.failures == 0
    (aside,) = tmp_path.glob("a.json.damaged-*")
    assert aside.read_bytes() == damaged
    assert read_state(path) is not None


def test_a_symbolic_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    real, link = tmp_path / "there" / "a.json", tmp_path / "link.json"
    link.symlink_to(real)
    Advisor(job(), "full", link).saved(100.0)
    assert link.is_symlink()
    found = read_state(real)
    assert found is not None
    assert found.experience.saves == 1
    real.write_text("damaged")
    with pytest.warns(AdvisorWarning, match="is damaged"):
        Advisor(job(), "full", link)
    assert link.is_symlink()
    assert [one.read_text() for one in real.parent.glob("*damaged*")] == ["damaged"]


def test_what_killed_processes_left_is_swept(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    (tmp_path / ".a.json.0123456789abcdef.tmp").write_text("half")
    (tmp_path / ".b.json.0123456789abcdef.tmp").write_text("another's")
    Advisor(job(), "full", path)
    assert sorted(one.name for one in tmp_path.iterdir()) == [".b.json.0123456789abcdef.tmp", "a.json"]


def test_a_file_that_never_ends_is_refused(tmp_path: Path) -> None:
    for path, expected in (
        ("/dev/zero", "not a device"),
        (tmp_path / "pipe", "named pipe"),
        (tmp_path / "big", "at most"),
    ):
        if path == tmp_path / "pipe":
            os.mkfifo(path)
        elif path == tmp_path / "big":
            path.write_bytes(b" " * 200_000)
        with pytest.raises(JobError, match=expected):
            read_state(Path(path))
