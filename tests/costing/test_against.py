"""What a plan says that it would be without a key: what planning without it gives."""

from __future__ import annotations

import re
from typing import Any

import pytest

from cprmodel import Exact, Job
from cprmodel.facts.units import format_share, format_time
from cprmodel.planning.planner import answered as plan  # without what would change it, which takes a while

DATA: dict[str, Any] = {
    "job": {"work": "400 d"},
    "cluster": {"embedding_shards": 4},
    "failures": {
        "nodes": 64,
        "node_mtbf": "300 d",
        "shard_share": 0.7,
        "trainer_share": 0.1,
        "whole_job_share": 0.2,
    },
    "checkpoint": {"save": "1 min", "load": "2 min", "detect": "1 min", "reschedule": "5 min"},
    "accuracy": {"pls_budget": 0.01},
}
LIMIT: dict[str, Any] = {"job": {"time_limit": "20 h", "requeue": "3 h", "limit_lead": "10 min"}}
ERRORS: dict[str, Any] = {"failures": {"silent": {"mtbf": "9 d"}}, "checkpoint": {"verify": "2 min"}}
UNREADABLE: dict[str, Any] = {"checkpoint": {"unreadable": 0.05}}
#: What a job has beside them.
WAITING: dict[str, Any] = {"cluster": {"spares": 0}, "failures": {"repair": "12 h"}}
SLOW: dict[str, Any] = {"cluster": {"stragglers": {"share": 0.2, "rate": 0.8, "lasts": "2 h"}}}
PLANNED: dict[str, Any] = {"failures": {"planned": [{"every": "30 d", "lasts": "6 h"}]}}
STEPS: dict[str, Any] = {"job": {"step": "7 min"}}


def job_of(*some: dict[str, Any]) -> Job:
    tables = {name: dict(one) for name, one in DATA.items()}
    for more in some:
        for name, keys in more.items():
            tables[name] |= keys
    return Job.from_mapping(tables)


@pytest.mark.parametrize("key", [LIMIT, ERRORS, UNREADABLE], ids=["limit", "errors", "unreadable"])
@pytest.mark.parametrize(
    "beside", [[], [WAITING], [SLOW, STEPS], [PLANNED], [WAITING, SLOW, PLANNED, STEPS]], ids=len
)
def test_without_a_key_is_what_planning_without_it_gives(key: dict[str, Any], beside: list[dict[str, Any]]) -> None:
    here, without = plan(job_of(*beside, key)), plan(job_of(*beside), Exact())
    for name in ("full", "partial"):
        (said,) = (line for line in here.warnings if line.startswith(f"{name}: ") and "the overhead is" in line)
        least = without[name].overhead_fraction
        more = here[name].overhead_fraction - least
        assert re.search(rf"costs? {re.escape(format_share(more))}: without ", said)
        assert f"the overhead is {format_share(least)} (by the exact model)" in said
        assert said.endswith(f"with a save every {format_time(without[name].interval_s)}")


def test_a_limit_that_is_never_reached_costs_nothing() -> None:
    answer = plan(job_of(WAITING, SLOW, {"job": {"work": "10 h", "time_limit": "20 h"}}))
    assert not any("the overhead is" in line for line in answer.warnings)
