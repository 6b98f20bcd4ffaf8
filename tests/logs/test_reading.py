"""Small logs of each kind, with the times between interruptions worked out by hand."""

from __future__ import annotations

import gzip
import json
import lzma
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cprmodel.facts.errors import JobError
from cprmodel.logs import LogOptions, LogReading, read_log

H, D = 3600.0, 86400.0

SACCT = """JobID|State|Start|End|Elapsed|ExitCode|NodeList
100|NODE_FAIL|2026-03-01T00:00:12|2026-03-02T08:15:41|1-08:15:29|0:0|gpu[001-064]
100.batch|CANCELLED|2026-03-01T00:00:12|2026-03-02T08:15:44|1-08:15:32|0:15|gpu001
101|TIMEOUT|2026-03-02T08:40:02|2026-03-03T08:40:05|1-00:00:03|0:15|gpu[001-064]
102|NODE_FAIL|2026-03-03T08:45:10|2026-03-03T21:10:50|12:25:40|0:0|gpu[002-065]
103|PREEMPTED|2026-03-03T21:30:00|2026-03-04T03:00:00|05:30:00|0:0|gpu[002-065]
104|NODE_FAIL|2026-03-04T04:00:00|2026-03-05T01:30:00|21:30:00|0:0|gpu[002-065]
105|CANCELLED by 1001|2026-03-05T02:00:00|2026-03-05T12:00:00|10:00:00|0:0|gpu[002-065]
106|RUNNING|2026-03-05T13:00:00|Unknown|05:12:07|0:0|gpu[002-065]
"""
#: 1-08:15:29, 1-00:00:03, 12:25:40, 5:30, 21:30, 10:00, 5:12:07
ELAPSED = [116129.0, 86403.0, 44740.0, 19800.0, 77400.0, 36000.0, 18727.0]

JOBS = """job,state,start_time,end_time,duration_s,nodes
a1,COMPLETED,2026-02-09 18:41:01,2026-02-10 04:55:09,36848,16
a2,FAILED,2026-02-10 05:10:00,2026-02-12 01:14:36,158676,16
a3,CANCELLED,2026-02-12 02:00:00,2026-02-19 19:34:52,668092,16
a4,FAILED,2026-02-20 08:00:00,2026-02-21 09:30:00,91800,16
a5,FAILED,2026-02-21 10:00:00,,,16
"""

KUBERNETES = {
    "apiVersion": "v1",
    "kind": "List",
    "items": [
        {
            "kind": "Event",
            "reason": reason,
            "lastTimestamp": moment,
            "involvedObject": {"kind": kind, "name": name},
        }
        for reason, moment, kind, name in (
            ("NodeNotReady", "2026-03-02T08:15:41Z", "Node", "n-001"),
            ("NodeReady", "2026-03-02T09:01:00Z", "Node", "n-001"),
            ("NodeNotReady", "2026-03-03T21:10:50Z", "Node", "n-007"),
            ("Pulled", "2026-03-03T21:20:50Z", "Pod", "p-3"),
        )
    ],
}

FTA = """# event_id component_id node_id platform_id node_name event_type event_start_time event_stop_time end
1	1	n1	p	a	0	1100000000	1100050000	1
2	1	n1	p	a	1	1100050000	1100500000	0
3	2	n2	p	b	1	1100000000	1100200000	0
4	2	n2	p	b	0	1100200000	1100210000	1
"""


def read(tmp_path: Path, text: str, name: str = "log.csv", **options: Any) -> LogReading:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return read_log(path, LogOptions(**options))


def downtimes(found: LogReading) -> dict[str, list[float]]:
    return {one.name: list(one.values_s) for one in found.downtimes}


@pytest.mark.parametrize("separator", ["|", ",", "\t", ";"])
def test_sacct(separator: str, tmp_path: Path) -> None:
    found = read(tmp_path, SACCT.replace("|", separator))
    assert found.kind == "runs"
    assert found.durations_s.tolist() == ELAPSED
    assert found.observed.tolist() == [True, False, True, True, True, False, False]
    # from 08:15:41 to 08:40:02, 21:10:50 to 21:30, 3:00 to 4:00, 1:30 to 2:00
    assert downtimes(found) == {"restart": [1461.0, 1150.0, 3600.0, 1800.0]}
    assert found.size is not None
    assert (found.size.median, found.size.least, found.size.most) == (64, 64, 64)
    assert (found.rows, found.used) == (8, 7)
    assert [(one.reason, one.rows, one.first) for one in found.dropped] == [
        ("a step of a job (.batch, .extern, .0)", 1, 3)
    ]
    assert {word: rows for word, rows, meaning in found.states if meaning == "interruptions"} == {
        "NODE_FAIL": 3,
        "PREEMPTED": 1,
    }
    assert found.node_exposure_s == 64 * sum(ELAPSED)
    assert found.servers == 64


def test_which_states_interrupt_can_be_said(tmp_path: Path) -> None:
    """What is no interruption still is exposure."""
    found = read(tmp_path, SACCT, where=("state=NODE_FAIL",))
    assert found.durations_s.tolist() == ELAPSED
    assert found.observed.tolist() == [True, False, True, False, True, False, False]
    some = read(tmp_path, SACCT, where=("State=node_fail,TIMEOUT", "NodeList=gpu[001-064]"))
    assert some.durations_s.tolist() == ELAPSED[:2]
    assert some.observed.tolist() == [True, True]
    assert any("NodeList is another than" in one.reason for one in some.dropped)


def test_sacct_as_it_prints_to_a_terminal(tmp_path: Path) -> None:
    """Columns of fixed width, with words cut short: CANCELLED+."""
    rows = [line.split("|") for line in SACCT.replace("CANCELLED by 1001", "CANCELLED+").splitlines()]
    widths = [12, 10, 19, 19, 10, 8, 15]
    text = "\n".join(
        " ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) + " " for row in rows
    )
    heading, rest = text.split("\n", 1)
    found = read(tmp_path, f"{heading}\n{' '.join('-' * width for width in widths)} \n{rest}\n", "sacct.txt")
    assert found.durations_s.tolist() == ELAPSED
    assert found.form == "columns of fixed width"


def test_sacct_as_json(tmp_path: Path) -> None:
    """``sacct --json``: states in lists, Unix times, numbers as objects."""

    def job(number: int, state: str, start: int, end: int, elapsed: int) -> dict[str, Any]:
        time = {"start": start, "end": end, "elapsed": elapsed, "submission": start - 60}
        nodes = {"set": True, "infinite": False, "number": 4}
        return {"job_id": number, "state": {"current": [state]}, "time": time, "allocation_nodes": nodes}

    jobs = [job(1, "NODE_FAIL", 1700000000, 1700003600, 3600), job(2, "RUNNING", 1700004600, 0, 1800)]
    found = read(tmp_path, json.dumps({"jobs": jobs}), "sacct.json")
    assert (found.durations_s.tolist(), found.observed.tolist()) == ([3600.0, 1800.0], [True, False])
    assert downtimes(found) == {"restart": [1000.0], "queue": [60.0, 60.0]}
    assert found.size is not None
    assert found.size.median == 4


def test_a_table_of_jobs(tmp_path: Path) -> None:
    found = read(tmp_path, JOBS)
    assert found.durations_s.tolist() == [36848.0, 158676.0, 668092.0, 91800.0]
    assert found.observed.tolist() == [False, True, False, True]
    assert [(one.reason, one.first) for one in found.dropped] == [("interrupted, but no end and no duration", 6)]
    assert downtimes(found) == {"restart": [2724.0]}  # from 01:14:36 to 02:00:00


def test_jobs_that_overlap_are_jobs_of_their_own(tmp_path: Path) -> None:
    """As in public GPU traces: many users' jobs, at once, of different sizes; "None" where one never began."""
    text = """job_id,user,gpu_num,node_num,state,submit_time,start_time,end_time,duration,queue
0,u1,8,1,COMPLETED,2020-04-01 00:00:01,2020-04-01 00:00:05,2020-04-01 01:00:05,3600,4
1,u1,8,1,FAILED,2020-04-01 00:10:01,2020-04-01 00:10:05,2020-04-01 02:10:05,7200,4
2,u2,16,2,CANCELLED,2020-04-01 00:20:01,None,2020-04-01 00:20:05,0,4
3,u2,16,2,NODE_FAIL,2020-04-01 00:20:01,2020-04-01 00:30:01,2020-04-01 00:31:05,64,600
"""
    found = read(tmp_path, text)
    assert (found.durations_s.tolist(), found.observed.tolist()) == ([3600.0, 7200.0, 64.0], [False, True, True])
    assert downtimes(found) == {"queue": [4.0, 4.0, 600.0]}
    assert (found.ends_s, found.size.least, found.size.most) == (None, 1, 2)  # type: ignore[union-attr]


def test_attempts_within_jobs(tmp_path: Path) -> None:
    """As in Philly's log: an attempt that was tried again had failed; the last one ended as the job did."""

    def attempt(start: str, end: str) -> dict[str, Any]:
        return {"start_time": f"2017-10-09 {start}", "end_time": f"2017-10-09 {end}", "detail": []}

    jobs = [
        {
            "status": "Pass",
            "jobid": "a",
            "attempts": [attempt("07:02:00", "08:02:00"), attempt("09:02:00", "11:02:00")],
        },
        {"status": "Killed", "jobid": "b", "attempts": [attempt("10:00:00", "10:30:00")]},
    ]
    found = read(tmp_path, json.dumps(jobs), "jobs.json")
    assert found.durations_s.tolist() == [3600.0, 7200.0, 1800.0]
    assert found.observed.tolist() == [True, False, False]
    assert downtimes(found) == {"restart": [3600.0]}


def test_ends_alone(tmp_path: Path) -> None:
    text = "state,end\nFAILED,2026-03-01\nCOMPLETED,2026-03-02\nFAILED,2026-03-04\n"
    found = read(tmp_path, text)
    assert (found.durations_s.tolist(), found.observed.tolist()) == ([D, 2 * D], [False, True])


def test_start_and_duration(tmp_path: Path) -> None:
    found = read(tmp_path, "state\tstart\tduration_h\nFAILED\t2026-03-01\t5\nCOMPLETED\t2026-03-02\t6\n")
    assert (found.durations_s.tolist(), found.observed.tolist()) == ([5 * H, 6 * H], [True, False])
    assert downtimes(found) == {"restart": [19 * H]}


def test_blanks_and_a_commented_heading(tmp_path: Path) -> None:
    text = (
        "# start end state\n2026-03-01T00:00:00 2026-03-01T05:00:00 FAILED\n2026-03-02 00:00 2026-03-02 05:30 OK\n"
    )
    found = read(tmp_path, text)
    assert (found.durations_s.tolist(), found.observed.tolist()) == ([5 * H, 5.5 * H], [True, False])


def test_unix_times(tmp_path: Path) -> None:
    text = "time\n1700000000\n1700690000\n1701400000\n1702100000\n1702800000\n"
    gaps = [690000.0, 710000.0, 700000.0, 700000.0]
    for factor, unit in (("", "seconds"), ("000", "milliseconds"), ("000000000", "nanoseconds")):
        found = read(tmp_path, "time\n" + "".join(line + factor + "\n" for line in text.split()[1:]))
        assert found.durations_s == pytest.approx(gaps, rel=1e-9)
        assert (found.kind, found.clock) == ("moments", f"Unix time in {unit}")
        assert found.observed.all()


def test_dates_with_and_without_zones(tmp_path: Path) -> None:
    rows = ["2026-03-01T13:34:34Z", "2026-03-09T10:00:00+01:00", "2026-03-17 09:00", "2026-03-22T21:45:10.250Z"]
    found = read(tmp_path, "timestamp\n" + "\n".join(rows) + "\n")
    # to 9 March 09:00:00, 17 March 09:00, 22 March 21:45:10.25, all UTC
    assert found.durations_s == pytest.approx([674726.0, 8 * D, 5 * D + 45910.25], abs=1e-3)
    assert found.clock == "1 moment without a zone taken for UTC"
    there = read(tmp_path, "timestamp\n" + "\n".join(rows) + "\n", time_zone="America/New_York")
    assert there.durations_s == pytest.approx([674726.0, 8 * D + 4 * H, 5 * D + 45910.25 - 4 * H], abs=1e-3)


def test_a_clock_that_goes_back_and_forth(tmp_path: Path) -> None:
    """In Berlin 02:10 came twice on 25 October 2026; without a zone the rows are out of order, which is said."""
    text = "timestamp\n2026-10-25 02:50\n2026-10-25 02:10\n2026-10-26 02:50\n2026-10-27 02:10\n"
    assert any("perhaps the clock was changed" in line for line in read(tmp_path, text).notes)
    found = read(tmp_path, text, time_zone="Europe/Berlin")
    assert found.durations_s == pytest.approx([1200.0, D + 2400.0, D - 2400.0])
    spring = read(tmp_path, "timestamp\n2026-03-28 03:00\n2026-03-29 03:00\n", time_zone="Europe/Berlin")
    assert spring.durations_s == pytest.approx([23 * H])


@pytest.mark.parametrize(
    ("rows", "options", "days"),
    [
        (["03/02/2026", "05/02/2026"], {"dates": "day-first"}, 2.0),
        (["03/02/2026", "05/02/2026"], {"dates": "month-first"}, 61.0),
        (["03/02/2026", "25/02/2026"], {}, 22.0),
        (["02/13/2026 1:00 PM", "02/14/2026 1:00 AM"], {}, 0.5),
        (["2 Mar 2026 08:15:41", "4 Mar 2026 08:15:41"], {}, 2.0),
        (["Mon Mar  2 08:15:41 2026", "Wed Mar  4 08:15:41 2026"], {}, 2.0),
        (["20260302T081541Z", "20260304T081541Z"], {}, 2.0),
        (["2026/03/02 08:15", "2026/03/04 08:15"], {}, 2.0),
        (["20260227", "20260302"], {}, 3.0),
        (["20240227.0", "20240302.0"], {}, 4.0),
        (["202603020815", "202603032015"], {}, 1.5),
        (["20260302081500", "20260303201500"], {}, 1.5),
        (["20260302 08:15", "20260303 20:15:00"], {}, 1.5),
        (["20260328", "20260330"], {"time_zone": "Europe/Berlin"}, 2.0 - 1 / 24),
        (["Mar 2, 2026 4:15 PM", "Mar 4, 2026 4:15 AM"], {}, 1.5),
        (["2 Mar 2026 12:15:00 AM", "2 Mar 2026 12:15:00 PM"], {}, 0.5),
        (["Mon, 02 Mar 2026 08:15:41 GMT", "Wed, 04 Mar 2026 08:15:41 GMT"], {}, 2.0),
        (["Sun Mar 29 00:15:00 UTC 2026", "29 Mar 2026 03:15:00"], {"time_zone": "Europe/Berlin"}, 1 / 24),
    ],
)
def test_dates_of_other_forms(rows: list[str], options: dict[str, Any], days: float, tmp_path: Path) -> None:
    found = read(tmp_path, "date\n" + "\n".join(rows) + "\n", **options)
    assert found.durations_s == pytest.approx([days * D])


@pytest.mark.parametrize(
    ("rows", "options", "seconds"),
    [
        (["20260301", "20260399"], {}, [20260301.0, 20260399.0]),  # the 99th of March
        (["20260301", "20260302"], {"unit": "s"}, [20260301.0, 20260302.0]),
        (["20260301", "20260302"], {"clock": "durations"}, [20260301.0, 20260302.0]),
    ],
)
def test_numbers_that_are_no_dates(
    rows: list[str], options: dict[str, Any], seconds: list[float], tmp_path: Path
) -> None:
    assert read(tmp_path, "t\n" + "\n".join(rows) + "\n", **options).durations_s.tolist() == seconds
    assert read(tmp_path, "elapsed\n" + "\n".join(rows) + "\n", **options).durations_s.tolist() == seconds


def test_runs_with_dates_of_digits_alone(tmp_path: Path) -> None:
    found = read(tmp_path, "state,start,end\nFAILED,20260227,20260302\nDONE,20260302,20260303\n")
    assert found.durations_s == pytest.approx([3 * D, D])
    assert "as YYYYMMDD" in found.clock


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"unit": "parsec"}, "--unit: expected a unit of time"),
        ({"clock": "sundial"}, "--clock: expected durations or moments"),
        ({"time_zone": "Mars/Phobos"}, "--time-zone: expected a time zone such as"),
        ({"time_zone": "/etc/localtime"}, "--time-zone: expected a time zone such as"),
        ({"window": "3"}, "--window: expected a time with its unit"),
        ({"since": "soon"}, "--since: expected a date"),
        ({"until": "soon"}, "--until: expected a date"),
    ],
)
def test_an_option_that_is_none_is_refused_where_it_is_not_used(
    options: dict[str, Any], expected: str, tmp_path: Path
) -> None:
    with pytest.raises(JobError) as error:
        read(tmp_path, SACCT, **options)
    assert str(error.value).startswith(expected)


def test_rising_numbers_are_moments(tmp_path: Path) -> None:
    text = "hours\n10\n35\n61\n70\n100\n131\n150\n"
    found = read(tmp_path, text)
    assert found.durations_s == pytest.approx([25 * H, 26 * H, 9 * H, 30 * H, 31 * H, 19 * H])
    assert "taken for moments" in " ".join(found.notes)
    as_said = read(tmp_path, text, clock="durations")
    assert as_said.durations_s.sum() == pytest.approx(557 * H)
    assert as_said.kind == "durations"
    assert read(tmp_path, text, window="200 h").durations_s.sum() == pytest.approx(200 * H)
    three = read(tmp_path, "10\n20\n30\n")
    assert (three.kind, three.durations_s.tolist()) == ("durations", [10.0, 20.0, 30.0])
    assert "too few to tell" in " ".join(three.notes)
    flagged = read(tmp_path, "time,event\n10,1\n20,0\n30,1\n40,1\n")
    assert flagged.kind == "durations"
    assert "taken for durations, since each has its flag" in " ".join(flagged.notes)


def test_a_window_and_dates(tmp_path: Path) -> None:
    text = "date\n2026-01-02\n2026-01-05\n"
    between = read(tmp_path, text, since="2026-01-01", until="2026-01-11")
    assert between.durations_s.tolist() == [D, 3 * D, 6 * D]
    assert between.observed.tolist() == [True, True, False]
    assert read(tmp_path, text, window="10 d").durations_s.tolist() == [3 * D, 7 * D]
    assert read(tmp_path, text, since="2026-01-03", until="2026-01-11").durations_s.tolist() == [2 * D, 6 * D]


def test_flags_and_words_beside_durations(tmp_path: Path) -> None:
    words = read(tmp_path, "hours,reason\n10,node_fail\n5,completed\n30,cancelled\n")
    assert (words.durations_s.tolist(), words.observed.tolist()) == ([10 * H, 5 * H, 30 * H], [True, False, False])
    unknown = read(tmp_path, "time,event\n10,a\n5,b\n", where=("event=a",))
    assert unknown.observed.tolist() == [True, False]
    censored = read(tmp_path, "time,censored\n10,1\n5,0\n")
    assert censored.observed.tolist() == [False, True]
    units = read(tmp_path, "serial,age_days,failure\nA,100,0\nB,300,1\n")
    assert (units.durations_s.tolist(), units.observed.tolist()) == ([100 * D, 300 * D], [False, True])
    empty = read(tmp_path, "time,event\n10,1\n,1\n20,\n30,0\n")
    assert (empty.durations_s.tolist(), empty.used, empty.rows) == ([10.0, 30.0], 2, 4)
    assert sorted(one.first for one in empty.dropped) == [3, 4]


@pytest.mark.parametrize("heading", ["ended", "how it went", "final_state"])
def test_words_beside_durations_count_whatever_their_column_is_called(heading: str, tmp_path: Path) -> None:
    """Three runs that ended well were taken for interruptions, because nobody knew the column's name."""
    rows = (("1-02:00:00", "failed"), ("03:00:00", "ok"), ("10:00:00", "failed"), ("02:00:00", "ok"))
    path = tmp_path / "up.tsv"
    path.write_text(f"uptime\t{heading}\tgrade\n" + "".join(f"{one}\t{end}\tP1\n" for one, end in rows))
    reading = read_log(path)
    assert reading.durations_s.tolist() == [26 * H, 3 * H, 10 * H, 2 * H]
    assert reading.observed.tolist() == [True, False, True, False]
    alone = read_log(path, LogOptions(where=(f"{heading}=failed",)))  # rows to read, as before
    assert alone.durations_s.tolist() == [26 * H, 10 * H]


def test_words_that_do_not_say_how_a_time_ended_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "up.tsv"
    path.write_text("hours,kind,note\n5,failed,ok\n7,failed,later\n9,failed,failed\n")
    assert read_log(path).observed.all()


def test_a_log_without_a_column_of_times_shows_what_was_found(tmp_path: Path) -> None:
    path = tmp_path / "train.log"
    path.write_text(
        "2026-01-05 01:37:08,632 ERROR timeout, aborting\n2026-01-06 22:31:15,299 ERROR timeout, aborting\n"
    )
    with pytest.raises(JobError) as caught:
        read_log(path)
    assert "--time-column: expected one of column 1, column 2, column 3" in str(caught.value)
    assert 'the first row has "2026-01-05 01:37:08", "632 ERROR timeout", "aborting"' in str(caught.value)


def test_kubernetes(tmp_path: Path) -> None:
    found = read(tmp_path, json.dumps(KUBERNETES), "events.json")
    # from 2 March 08:15:41 to 3 March 21:10:50; ready after 45:19
    assert (found.kind, found.durations_s.tolist(), found.observed.tolist()) == ("events", [132909.0], [True])
    assert downtimes(found) == {"repair": [2719.0]}
    assert found.servers == 2
    lines = "\n".join(json.dumps(item) for item in KUBERNETES["items"]) + "\n"
    assert read(tmp_path, lines, "events.jsonl").durations_s.tolist() == [132909.0]
    newer = [
        {
            "reason": item["reason"],
            "eventTime": item["lastTimestamp"],
            "lastTimestamp": None,
            "regarding": item["involvedObject"],
        }
        for item in KUBERNETES["items"]
        if isinstance(item, dict)
    ]
    assert read(tmp_path, json.dumps({"items": newer}), "new.json").durations_s.tolist() == [132909.0]


def test_events_of_nodes_in_a_table(tmp_path: Path) -> None:
    text = "time,node,event\n2026-01-01,n1,DOWN\n2026-01-01 02:00,n1,UP\n2026-01-03,n2,DOWN\n2026-01-04,n2,UP\n"
    found = read(tmp_path, text)
    assert (found.durations_s.tolist(), found.observed.tolist()) == ([2 * D, D], [True, False])
    assert downtimes(found) == {"repair": [2 * H, D]}


@pytest.mark.parametrize(
    "heading",
    ["id,opened,resolved,severity", "nr,start,end,cause", "x,Prob Started,Prob Fixed,y", "x,down since,fixed at,y"],
)
def test_incidents(heading: str, tmp_path: Path) -> None:
    text = "1,2026-01-03 10:00,2026-01-03 12:00,a\n2,2026-01-13 10:00,2026-01-13 11:00,b\n3,2026-01-17 10:00,,c\n"
    found = read(tmp_path, f"{heading}\n{text}")
    assert (found.kind, found.durations_s.tolist()) == ("incidents", [10 * D, 4 * D])
    assert downtimes(found) == {"repair": [2 * H, H]}
    assert "1 incident without an end" in " ".join(found.notes)


def test_failure_trace_archive(tmp_path: Path) -> None:
    """event_type 1: available, 0: not. n1 was up 450,000 s when the trace ended, n2 200,000 s until it failed."""
    found = read(tmp_path, FTA, "event_trace.tab")
    assert (found.durations_s.tolist(), found.observed.tolist()) == ([450000.0, 200000.0], [False, True])
    assert downtimes(found) == {"repair": [50000.0, 10000.0]}
    assert found.servers is None
    both = read(tmp_path, FTA, "event_trace.tab", servers=2)  # the trace begins with n1 down
    assert (both.durations_s.tolist(), both.observed.tolist()) == ([200000.0, 300000.0], [True, False])
    assert both.servers == 2


def test_duplicates_and_clocks_that_run_backwards(tmp_path: Path) -> None:
    row = "1,FAILED,2026-03-01,2026-03-02\n"
    text = f"job,state,start,end\n{row}{row}2,OK,2026-03-03,2026-03-02\n"
    found = read(tmp_path, text)
    assert (found.durations_s.tolist(), found.used) == ([D], 1)
    assert {one.reason: one.first for one in found.dropped} == {
        "the same row as one before": 3,
        "ends before it starts": 4,
    }


def test_states_that_are_numbers(tmp_path: Path) -> None:
    """Slurm's database has 3 for completed, 5 failed, 6 timeout, 7 node failure; exit codes fail unless 0."""
    times = "1600000000,1600000100"
    rows = [
        f"{job},{state},{times},{end},0"
        for job, state, end in ((1, 3, 1600003700), (2, 5, 1600007300), (3, 7, 1600000200))
    ]
    heading = "id_job,state,time_submit,time_start,time_end,exit_code"
    found = read(tmp_path, heading + "\n" + "\n".join(rows) + "\n4,6,1600000000,1600000100,1600000200,1\n")
    assert (found.durations_s.tolist(), found.observed.tolist()) == (
        [3600, 7200, 100, 100],
        [False, True, True, False],
    )
    assert "taken for Slurm's states: 3 COMPLETED, 5 FAILED, 6 TIMEOUT, 7 NODE_FAIL" in " ".join(found.notes)
    codes = read(tmp_path, "start,end,exit_code\n2026-01-01,2026-01-02,0\n2026-01-03,2026-01-05,137\n")
    assert codes.observed.tolist() == [False, True]
    with pytest.raises(JobError, match="column state = 2 1, 3 1: expected states that are known"):
        read(tmp_path, "state,elapsed\n2,5\n3,7\n")


def test_jobs_whose_numbers_have_a_point(tmp_path: Path) -> None:
    """A table that numbers its jobs 1.0, 2.0 has no steps; one that has job 1, too, does."""
    assert read(tmp_path, "job_id,state,elapsed\n1.0,FAILED,10\n2.0,OK,20\n").durations_s.tolist() == [10, 20]
    assert read(tmp_path, "job_id,state,elapsed\n1,FAILED,10\n1.0,FAILED,10\n").durations_s.tolist() == [10]


def test_standard_workload_format(tmp_path: Path) -> None:
    """Submit, wait, run time; status 1: completed, 0: failed, 5: cancelled; -1: not known."""
    rows = [(1, 0, 5, 3600, 1), (2, 10, 0, 7200, 0), (3, 20, 0, 60, 5), (4, 30, 0, -1, 5)]
    lines = [f"{n} {s} {w} {r} 16 -1 -1 16 -1 -1 {e} 1 1 -1 1 -1 -1 -1" for n, s, w, r, e in rows]
    found = read(tmp_path, "; UnixStartTime: 0\n" + "\n".join(lines) + "\n", "log.swf")
    assert (found.durations_s.tolist(), found.observed.tolist()) == ([3600, 7200, 60], [False, True, False])


def test_hours_nodes_and_words(tmp_path: Path) -> None:
    found = read(tmp_path, "hours,node,event\n10,n1,down\n12,n1,up\n20,n2,down\n25,n2,up\n")
    assert (found.durations_s.tolist(), found.observed.tolist()) == ([10 * H, 5 * H], [True, False])
    assert (downtimes(found), found.begin) == ({"repair": [2 * H, 5 * H]}, None)


def test_a_run_that_was_suspended(tmp_path: Path) -> None:
    found = read(tmp_path, "state,start,end,elapsed\nFAILED,2026-03-01 00:00,2026-03-01 10:00,06:00:00\n")
    assert found.durations_s.tolist() == [6 * H]
    assert "elapsed is another than end less start in 1 row" in " ".join(found.notes)


@pytest.mark.parametrize("pack", [gzip.open, lzma.open])
def test_packed_whatever_the_name(pack: Any, tmp_path: Path) -> None:
    path = tmp_path / "log.dat"
    with pack(path, "wt", encoding="utf-8") as file:
        file.write(SACCT)
    assert read_log(path).durations_s.tolist() == ELAPSED


def test_other_encodings(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    for encoding in ("utf-8-sig", "utf-16"):
        path.write_text(SACCT.replace("\n", "\r\n"), encoding=encoding, newline="")
        assert read_log(path).durations_s.tolist() == ELAPSED


def test_the_answer_says_how_the_file_was_understood(tmp_path: Path) -> None:
    text = "\n".join(read(tmp_path, SACCT).lines())
    for said in (
        "read as runs of jobs (job: JobID, state: State, start: Start, end: End, duration: Elapsed, nodes: Node",
        "pipe-separated; not used: ExitCode",
        "moments without a zone taken for UTC",
        "7 of 8 rows used; 1 not used: a step of a job (.batch, .extern, .0) (first: line 3)",
        "interruptions: NODE_FAIL 3, PREEMPTED 1; cut short without one: TIMEOUT 1, CANCELLED 1, RUNNING 1",
        "size of the job: 64 (NodeList)",
    ):
        assert said in text
    data = json.loads(json.dumps(read(tmp_path, SACCT).to_dict(), allow_nan=False))
    assert (data["rows"], data["used"], data["dropped"][0]["first_line"]) == (8, 7, 3)


@pytest.mark.parametrize(
    ("text", "options", "expected"),
    [
        ("start,end\n2026-01-03,2026-01-04\n", {}, "--rows: expected runs"),
        (
            "date\n03/02/2026\n05/03/2026\n",
            {},
            '--dates: expected day-first or month-first, since the column date holds "03/02',
        ),
        ("date\n13/02/2026\n05/03/2026\n", {"dates": "month-first"}, "--dates: expected day-first"),
        ("state,elapsed\nFoo,1\nFAILED,2\n", {}, "column state = Foo 1: expected states that are known; say which"),
        (
            "state,elapsed\nA,1\nB,2\n",
            {"where": ("state=C",)},
            '--where: state = "C": expected values that the column holds',
        ),
        ("state,elapsed\nA,1\n", {"where": ("states",)}, "--where: expected COLUMN=VALUE,VALUE"),
        (
            "state,elapsed\nA,1\n",
            {"where": ("colour=A",)},
            '--where: column = "colour": expected one of state, elapsed',
        ),
        ("state,elapsed\nA,1\n", {"column": ("colour=A",)}, '--column: role = "colour"'),
        ("time,event\n1,failed\n2,weird\n", {}, 'line 3 = "weird": expected 1 (an interruption) or 0'),
        ("timestamp,reason,node\n2026-01-01,Pulled,a\n", {}, "words that say that something failed"),
        ("2026-01-01\n", {}, "expected two moments, or the length of the observation"),
        (
            "timestamp\n2026-01-01\n2026-13-01\n",
            {},
            'line 3 = "2026-13-01": expected a date in the column timestamp',
        ),
        (
            "timestamp\n2026-01-01\n2026-01-03\n",
            {"time_zone": "Mars/Phobos"},
            "--time-zone: expected a time zone such as",
        ),
        ("a,b\n1,2\n3,4,5\n", {}, "line 3: expected at most 2 cells, as the heading has; 1 row with more"),
        ("[1, 2", {}, "expected JSON ("),
        (
            "state,start,end\nFAILED,1700000000,1700000000000\nFAILED,1700000000000,1700000000001\n",
            {},
            "expected Unix times of one unit in the column start, or their --unit",
        ),
        ("time\n1e300\n", {}, 'line 2 = "1e300": expected a time of at most 1e+14 s'),
        ("job,start,end\n1,2026-01-03,2026-01-04\n", {}, "--rows: expected runs"),
        ("start,duration_h\n2026-01-03,4\n", {}, "--rows: expected runs, if an interruption ended each"),
        ('{"a": 1}\nx\n{"a": 2}\n', {}, "line 2: expected a JSON object"),
        ("[[1, 2], [3, 4]]", {}, "expected an object"),
        ("1\n2\n3\n", {"clock": "sundial"}, "--clock: expected durations or moments"),
        ("1\n2\n3\n", {"rows": "chairs"}, "--rows: expected runs or incidents"),
        (
            "state,start\nFAILED,2026-01-01\n",
            {"rows": "runs"},
            "--column: expected a column of ends or of durations",
        ),
        ("date\n2026-01-01\n2026-01-05\n", {"since": "soon"}, "--since: expected a date such as 2003-01-01"),
    ],
)
def test_what_is_not_clear_is_asked(text: str, options: dict[str, Any], expected: str, tmp_path: Path) -> None:
    with pytest.raises(JobError) as error:
        read(tmp_path, text, **options)
    assert expected in str(error.value)
    assert "\n" not in str(error.value)


def test_a_plan_without_a_log_does_without_polars() -> None:
    code = (
        "import sys; from cprmodel.cli.app import app; "
        "app(['plan', 'preset:rsc-1'], standalone_mode=False); sys.exit('polars' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


def test_files_that_are_none(tmp_path: Path) -> None:
    fifo, folder, image, cut = tmp_path / "fifo", tmp_path / "folder", tmp_path / "image", tmp_path / "cut.gz"
    os.mkfifo(fifo)
    folder.mkdir()
    image.write_bytes(bytes(range(256)))
    cut.write_bytes(gzip.compress(SACCT.encode())[:-20])
    for path, expected in (
        (Path("/dev/zero"), "a plain file, not a device or a pipe"),
        (fifo, "a plain file, not a device or a pipe"),
        (folder, "not a folder"),
        (image, "a text file"),
        (cut, "damaged or cut short"),
        (tmp_path / "none", "there is no such file"),
    ):
        with pytest.raises(JobError, match=expected):
            read_log(path)


def test_what_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    """Before it is held in memory: the limit is on what comes out."""
    from cprmodel.logs.files import read_log_text

    bomb = tmp_path / "bomb.gz"
    bomb.write_bytes(gzip.compress(b"0\n" * 5_000_000))
    with pytest.raises(JobError, match="a log that unpacks to at most 1 MB"):
        read_log_text(bomb, 1_000_000)
    plain = tmp_path / "plain.csv"
    plain.write_bytes(b"0\n" * 1_000_000)
    with pytest.raises(JobError, match="a log of at most 1 MB, not 2 MB"):
        read_log_text(plain, 1_000_000)
