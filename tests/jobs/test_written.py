"""Errors show values as the job file has them, with their units; a mapping's in units that people use."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from cprmodel import Job, JobError
from cprmodel.jobs import job_from_text

HEAD = """
job = { work = "60 d", start = 2027-01-01 EXTRA_JOB }
failures = { RATE }
checkpoint = { save = "1 min", load = "2 min", reschedule = "5 min" EXTRA_POINT }
"""

#: What the file says (of [job], of the failures, of [checkpoint], tables besides), and the line.
WRONG: dict[str, tuple[str, str, str, str, str]] = {
    "longer than every": (
        "",
        'mtbf = "2 d", planned = [{ every = "30 d", lasts = "720 h" }]',
        "",
        "",
        'failures.planned.0.lasts = "720 h": expected at most half of every',
    ),
    "two calendars": (
        "",
        'mtbf = "2 d", planned = [{ every = "30 d", lasts = "6 h", dates = ["2027-01-05"] }]',
        "",
        "",
        'failures.planned.0.every and dates = "30 d" and ["2027-01-05"]: expected one of every and dates',
    ),
    "a check beside a delay": (
        "",
        'mtbf = "2 d", silent = { mtbf = "9 d", latency = "6 h" }',
        ', verify = "120 s"',
        "",
        'checkpoint.verify = "120 s": expected no such key beside failures.silent.latency',
    ),
    "two rates of a component": (
        "",
        'nodes = 4, component = [{ fit = 5000, mttf = "1 yr" }]',
        "",
        "",
        'failures.component.0.fit and mttf = 5000 and "1 yr": expected one of fit, mttf, share',
    ),
    "two rates of the job": (
        "",
        'nodes = 4, node_mtbf = "2000 h", component = [{ fit = 5000 }]',
        "",
        "",
        'failures.node_mtbf and component = "2000 h" and [{ fit = 5000 }]: expected exactly one of mtbf',
    ),
    "fewer nodes beside a limit": (
        ', time_limit = "20 h", elastic = { min_nodes = 2 }',
        'nodes = 4, node_mtbf = "2000 h", repair = "1 d"',
        "",
        "scaling = { exponent = 0.9 }",
        "job.elastic = { min_nodes = 2 }: expected no such key beside job.time_limit",
    ),
    "misspelt": (
        "",
        'mtbf = "2 d"',
        "",
        "cluster = { stragglers = { shar = 0.1, rate = 0.5 } }",
        'cluster.stragglers.shar = 0.1: expected a known key, perhaps "share"',
    ),
    "two misspelt": (
        "",
        'mtbf = "2 d"',
        "",
        "cluster = { stragglers = { shar = 0.1, rat = 0.5 } }",
        'cluster.stragglers.shar = 0.1: expected a known key, perhaps "share"\n'
        'job: cluster.stragglers.rat = 0.5: expected a known key, perhaps "rate"',
    ),
    "misspelt, and another missing": (
        "",
        'mtbf = "2 d"',
        "",
        "cluster = { stragglers = { shar = 0.1 } }",
        'cluster.stragglers.shar = 0.1: expected a known key, perhaps "share"\n'
        "job: cluster.stragglers.rate: expected this key, but it is missing",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_as_the_file_has_it(case: str) -> None:
    of_job, rate, of_point, tables, said = WRONG[case]
    text = HEAD.replace("EXTRA_JOB", of_job).replace("RATE", rate).replace("EXTRA_POINT", of_point) + tables
    for read in (lambda: job_from_text(text), lambda: Job.from_mapping(tomllib.loads(text))):
        with pytest.raises(JobError) as caught:
            read()
        assert str(caught.value).startswith(f"job: {said}")
        assert len(caught.value.problems) == 1 + said.count("\n")


def test_numbers_of_a_mapping_are_shown_in_units() -> None:
    data: dict[str, Any] = {
        "job": {"work_s": 90 * 86400},
        "failures": {"mtbf_s": 86400, "planned": [{"every_s": 30 * 86400, "lasts_s": 20 * 86400}]},
        "checkpoint": {"save_s": 60},
    }
    with pytest.raises(JobError, match=r'failures\.planned\.0\.lasts = "20 d": expected at most half of every$'):
        Job.from_mapping(data)
    del data["failures"]["planned"]
    data["checkpoint"] |= {"size_bytes": 1.2e12, "bandwidth_bytes_per_s": 5e9}
    with pytest.raises(JobError, match=r'checkpoint\.save and size = "1 min" and "1\.2 TB": expected either save'):
        Job.from_mapping(data)
    data["checkpoint"] = {"level": [{"bandwidth_bytes_per_s": 5e9}]}
    with pytest.raises(JobError, match=r'level\.0\.bandwidth = "5 GB/s": expected checkpoint\.size beside it'):
        Job.from_mapping(data)


def test_what_stragglers_do_not_go_with_is_named_without_dots() -> None:
    from cprmodel.costing.which import check_no_stops

    text = HEAD.replace("EXTRA_JOB", "").replace("RATE", 'mtbf = "2 d"').replace("EXTRA_POINT", "")
    job = job_from_text(text + "cluster = { stragglers = { share = 0.1, rate = 0.5 } }")
    with pytest.raises(JobError, match=r"^job: cluster\.stragglers: expected no such key"):
        check_no_stops(job, "this", "that")
