"""A run's time taken apart: by hand, from a goodput library's entries, the harness's log, an advisor's."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cprmodel import Advisor, JobError, load_preset
from cprmodel.logs import Goodput, TrainingLog, read_goodput, read_log
from tests.cli.test_commands import run


def write(path: Path, entries: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(one) + "\n" for one in entries))
    return path


def by_hand() -> list[dict[str, Any]]:
    """10 s to begin, three steps of 10 s, a save of 5, two steps, 4 s into the next a failure, seen 2 s later.

    32 s after it, 6 of them a load, the two steps are done again, then the sixth; a save of 5.
    """
    events: list[dict[str, Any]] = [{"event": "start", "at": 0}]
    events += [{"event": "step", "at": 20 + 10 * n, "step": n + 1, "seconds": 10} for n in range(3)]
    events += [{"event": "save", "at": 45, "seconds": 5, "step": 3}]
    events += [{"event": "step", "at": at, "step": step, "seconds": 10} for at, step in ((55, 4), (65, 5))]
    events += [{"event": "failure", "at": 69, "detected_s": 2}, {"event": "start", "at": 89}]
    events += [{"event": "load", "at": 99, "seconds": 6}, {"event": "note", "at": 100}]
    events += [
        {"event": "step", "at": at, "step": step, "seconds": 10} for at, step in ((111, 4), (121, 5), (131, 6))
    ]
    return [*events, {"event": "save", "at": 136, "seconds": 5, "step": 6}, {"event": "stop", "at": 136}]


def check_by_hand(found: Goodput) -> None:
    assert (found.wall_s, found.useful_s) == pytest.approx((136, 60))
    # two saves; one load; steps 4 and 5 and 4 s of step 6; from 69 to 101 less the load
    assert tuple(found.parts) == pytest.approx((10, 6, 24, 26))
    assert dict(found.other) == pytest.approx({"until the first step": 10})
    assert (found.steps, found.saves, found.failures, found.interval_s) == (8, 2, 1, 30)
    assert found.effective_time_ratio == pytest.approx(60 / 136)


def test_by_hand(tmp_path: Path) -> None:
    path = write(tmp_path / "run.jsonl", by_hand())
    check_by_hand(read_goodput(path))
    reading = read_log(path)
    assert reading.kind == "training"
    assert (reading.durations_s.tolist(), reading.observed.tolist()) == ([69.0, 35.0], [True, False])
    values = {one.name: one.values_s.tolist() for one in reading.downtimes}
    assert values == {"save": [5.0, 5.0], "load": [6.0], "reschedule": [24.0], "detect": [2.0]}
    assert (reading.step_s, reading.interval_s) == (10.0, 30.0)
    assert [(one.rows, one.first) for one in reading.dropped] == [(1, 11)]  # "note" says nothing of time


def test_the_harness_s_log_is_one(tmp_path: Path) -> None:
    """Its steps tell their parts, not their seconds; replayed ones carry their number again."""
    entries = []
    for one in by_hand():
        if one["event"] == "step":
            parts = {"data_s": 1.0, "lookup_s": 2.0, "compute_s": 4.0, "update_s": 2.5, "copy_s": 0.5}
            one = {"event": "step", "at": one["at"], "step": one["step"], "loss": 0.5, **parts}
        entries.append(one)
    check_by_hand(read_goodput(write(tmp_path / "events.jsonl", entries)))


def test_dates_and_other_names(tmp_path: Path) -> None:
    names = {"start": "job_started", "save": "checkpoint_saved", "load": "checkpoint_loaded", "stop": "job_ended"}
    entries = [
        {**one, "event": names.get(one["event"], one["event"]), "at": f"2026-03-01T00:{int(one['at']) // 60:02}:"
         f"{int(one['at']) % 60:02}Z"}
        for one in by_hand()
    ]  # fmt: skip
    check_by_hand(read_goodput(write(tmp_path / "run.jsonl", entries)))


def test_a_void_save_is_lost(tmp_path: Path) -> None:
    entries = [
        {"event": "start", "at": 0},
        {"event": "step", "at": 10, "step": 1, "seconds": 10},
        {"event": "begin_save", "at": 10},
        {"event": "failure", "at": 13},
        {"event": "recovered", "at": 20, "seconds": 7},
        {"event": "step", "at": 30, "step": 1, "seconds": 10},
    ]
    found = read_goodput(write(tmp_path / "run.jsonl", entries))
    assert tuple(found.parts) == pytest.approx((0, 0, 13, 7))
    assert found.useful_s == 10


def test_entries_of_a_goodput_library(tmp_path: Path) -> None:
    """ml-goodput-measurement: steps 0 to 4 begin every 10 s from 30 on; a new job at 130 does 3 to 7 from 160 on.

    The first job was last seen beginning step 4 at 70: it is taken to have died a usual step later, at 80. Steps 3
    (10 s) and 4 (10 s) were lost, 80 s went until 160, and eight steps of 10 s are left.
    """
    begin = 1.7e9
    entries: list[dict[str, Any]] = [{"job_name": "j", "job_start_time": begin}]
    entries += [{"job_name": "j", "tpu_init_start_time": begin}, {"job_name": "j", "tpu_init_end_time": begin + 20}]
    entries += [{"job_name": "j", "step_count": n, "step_start_time": begin + 30 + 10 * n} for n in range(5)]
    entries += [{"job_name": "j", "job_start_time": begin + 130}]
    entries += [{"job_name": "j", "step_count": n, "step_start_time": begin + 130 + 10 * n} for n in range(3, 8)]
    entries += [{"job_name": "j", "job_end_time": begin + 210}]
    found = read_goodput(write(tmp_path / "entries.jsonl", entries))
    assert (found.wall_s, found.useful_s, found.failures) == pytest.approx((210, 80, 1))
    assert tuple(found.parts) == pytest.approx((0, 0, 20, 80))
    assert dict(found.other) == pytest.approx({"until the first step": 30})
    assert any("tpu init 20 s" in line for line in found.reading.notes)
    as_list = tmp_path / "entries.json"
    as_list.write_text(json.dumps(entries))
    assert read_goodput(as_list).useful_s == pytest.approx(80)


def test_an_advisor_keeps_one(tmp_path: Path) -> None:
    """Two hours of work, a save of 100 s, an hour, a failure that takes 30 min of work and 10 min to overcome."""
    now = [0.0]
    log = tmp_path / "run.jsonl"
    with Advisor(load_preset("rsc-1"), state=None, clock=lambda: now[0], log=log) as advisor:
        now[0] = 7300.0
        advisor.saved(100.0)
        now[0] = 7300.0 + 3600 + 600
        advisor.failed("whole_job", lost_s=1800.0, recovery_s=600.0)
        now[0] += 3000
    found = read_goodput(log)
    assert found.wall_s == pytest.approx(7300 + 4200 + 3000, abs=1e-3)
    assert tuple(found.parts) == pytest.approx((100, 0, 1800, 600), abs=1e-3)
    assert found.useful_s == pytest.approx(7200 + 3600 - 1800 + 3000, abs=1e-3)
    assert found.interval_s == pytest.approx(7200, abs=1e-3)
    assert read_log(log).durations_s == pytest.approx([10900, 3000], abs=1e-3)


def test_the_work_between_saves_goes_on_where_a_failure_took_none(tmp_path: Path) -> None:
    """An hour, a shard put back (nothing done again), an hour, a save; all of it twice: two hours between saves."""
    now = [0.0]
    log = tmp_path / "run.jsonl"
    with Advisor(load_preset("rsc-1"), state=None, clock=lambda: now[0], log=log) as advisor:
        for _ in range(2):
            now[0] += 3600.0 + 300.0
            advisor.failed("shard", lost_s=0.0, recovery_s=300.0)
            now[0] += 3600.0 + 100.0
            advisor.saved(100.0)
    assert read_goodput(log).interval_s == pytest.approx(7200, abs=1e-3)
    assert read_log(log).interval_s == pytest.approx(7200, abs=1e-3)


def test_the_work_between_saves_is_not_counted_twice_where_it_is_done_again(tmp_path: Path) -> None:
    """An hour is lost and done again before the save: an hour of work is in it, and in the next one two."""
    now = [0.0]
    log = tmp_path / "run.jsonl"
    with Advisor(load_preset("rsc-1"), state=None, clock=lambda: now[0], log=log) as advisor:
        for lost_s in (3600.0, 0.0, 3600.0):
            now[0] += 3600.0 + 300.0
            advisor.failed("whole_job", lost_s=lost_s, recovery_s=300.0)
            now[0] += 3600.0 + 100.0
            advisor.saved(100.0)
    assert read_goodput(log).interval_s == pytest.approx(3600, abs=1e-3)  # the median of 1, 2 and 1 h


@pytest.mark.parametrize("again", [False, True])
def test_steps_between_saves_beside_a_failure(again: bool, tmp_path: Path) -> None:
    """Three steps of 10 s, a failure, three more, a save; the first three are done again, or (partial) never."""
    entries: list[dict[str, Any]] = [{"event": "start", "at": 0}]
    entries += [{"event": "step", "at": 10 * n, "step": n, "seconds": 10} for n in (1, 2, 3)]
    entries += [{"event": "failure", "at": 30}, {"event": "recovered", "at": 40}]
    steps = (1, 2, 3) if again else (4, 5, 6)
    entries += [
        {"event": "step", "at": 40 + 10 * n, "step": step, "seconds": 10} for n, step in enumerate(steps, 1)
    ]
    entries += [{"event": "save", "at": 75, "seconds": 5}, {"event": "stop", "at": 75}]
    assert read_goodput(write(tmp_path / "run.jsonl", entries)).interval_s == (30 if again else 60)


def test_a_line_cut_short_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    path.write_text('{"event": "start", "at": 0}\n{"event": "st')
    with TrainingLog(path) as log:
        log.write("step", at=1.0)
    assert path.read_text().splitlines()[-1] == '{"event": "step", "at": 1.0}'


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["step", "save", "load", "failure", "start"]), st.floats(0, 100), st.floats(0, 1)
        ),
        min_size=1,
        max_size=30,
    )
)
def test_the_parts_add_up_to_all_time(events: list[tuple[str, float, float]]) -> None:
    import tempfile

    at, entries = 0.0, [{"event": "start", "at": 0.0}, {"event": "step", "at": 1.0, "step": 0, "seconds": 1.0}]
    at = 1.0
    for number, (name, gap, share) in enumerate(events, start=1):
        at += gap
        step = {"step": 1 + number % 3} if name == "step" else {}
        entries.append({"event": name, "at": at, "seconds": gap * share, **step})
    with tempfile.TemporaryDirectory() as folder:
        found = read_goodput(write(Path(folder) / "run.jsonl", entries))
    assert found.useful_s + found.parts.total + found.other_s == pytest.approx(found.wall_s, abs=1e-9)
    assert all(part >= -1e-9 for part in (*found.parts, found.other_s))


JOB = """[job]
work = "1 h"
[failures]
mtbf = "1 min"
[checkpoint]
save = "5 s"
load = "6 s"
detect = "2 s"
reschedule = "24 s"
"""


def test_beside_the_plan(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Full recovery at the run's interval of 30 s: C/τ = 1/6, (L + D + τ/2)/μ = 6/60, 26/60 and 15/60."""
    log, job, page = write(tmp_path / "run.jsonl", by_hand()), tmp_path / "job.toml", tmp_path / "page.html"
    job.write_text(JOB)
    out, _ = run("goodput", log, "--job", job, "--report", page, "--json", capsys=capsys)
    data = json.loads(out)
    planned = data["planned"]
    assert (planned["strategy"], planned["interval_s"]) == ("current", 30)
    expected = {"save": 1 / 6, "load": 0.1, "lost": 0.25, "reschedule": 26 / 60, "fewer_nodes": 0, "stragglers": 0}
    assert planned["overhead_fractions"] == pytest.approx(expected)
    assert data["overhead_fractions"]["lost"] == pytest.approx(24 / 60)
    out, _ = run("goodput", log, "--job", job, capsys=capsys)
    text = " ".join(out.split())
    assert "effective time (goodput) 44.1%" in text
    assert "lost work 24 s 40.0% 25.0%" in text
    assert "other: until the first step 10 s 16.7%" in text
    assert page.read_text().count('<a download="') == 1
    assert "planned" in run("goodput", log, "--job", job, "--strategy", "full", capsys=capsys)[0]
    _, err = run("goodput", log, "--job", job, "--strategy", "magic", capsys=capsys, status=2)
    assert "--strategy: expected one that can be planned: full" in err


def test_a_training_log_fills_a_job_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log, job = write(tmp_path / "run.jsonl", by_hand()), tmp_path / "job.toml"
    out, _ = run("fit", log, "-o", job, capsys=capsys)
    assert "It needs your figures: work." in out
    text = job.read_text()
    for line in ('save = "5 s"', 'load = "6 s"', 'detect = "2 s"', 'reschedule = "24 s"', 'step = "10 s"'):
        assert f"\n{line}" in text
    job.write_text(text.replace("#> work", "work"))
    inputs = json.loads(run("plan", job, "--json", capsys=capsys)[0])["inputs"]
    assert inputs["failures"]["fit"]["events"] == 1
    assert inputs["job"]["current_interval_s"] == 30


def test_a_mistake_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other, idle = (
        tmp_path / "t.csv",
        write(tmp_path / "r.jsonl", [{"event": "save", "at": 0}, {"event": "save", "at": 0}]),
    )
    other.write_text("1\n2\n")
    _, err = run("goodput", other, capsys=capsys, status=2)
    assert "expected a training log: JSON lines with event and at" in err
    with pytest.raises(JobError, match="a run that did some useful work"):
        read_goodput(idle)


def test_a_log_that_cannot_be_kept_is_one_line_and_no_wait(tmp_path: Path) -> None:
    """A pipe that nobody reads would keep training waiting for ever."""
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, Path("/dev/full")):
        with pytest.raises(JobError, match="expected a training log in a plain file, not a folder, a device or a"):
            TrainingLog(path)
    with pytest.raises(JobError, match=r"expected a file that can be written \(No such file or directory\)"):
        TrainingLog(tmp_path / "nowhere" / "run.jsonl")


def test_a_log_of_every_twentieth_step_is_not_taken_for_all_of_them(tmp_path: Path) -> None:
    """It had made a twentieth of the work useful, and a twentieth of the interval between saves the whole of it."""
    lines = [{"event": "step", "at": 2.0 * step, "step": step, "seconds": 2.0} for step in range(20, 401, 20)]
    lines += [{"event": "save", "at": 400.1, "step": 200, "seconds": 0.0}]
    path = tmp_path / "run.jsonl"
    path.write_text("\n".join(json.dumps(line) for line in lines))
    with pytest.raises(JobError, match="step: expected an event for each step, but their numbers rise by 20"):
        read_goodput(path)
    every = [
        {"event": "step", "at": 2.0 * step, "step": step, "seconds": 2.0} for step in range(1, 401) if step % 9
    ]
    path.write_text("\n".join(json.dumps(line) for line in every))  # some lines are lost: the others count
    assert read_goodput(path).useful_s == pytest.approx(2.0 * (len(every) - 1))  # the log begins as the first ends
