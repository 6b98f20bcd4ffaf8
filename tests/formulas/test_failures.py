"""From nodes to the job: limits, a Monte-Carlo of nodes and groups, and what a job file makes of it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import sympy as sp

from cprmodel import Job, JobError, formulas

DAY = 86400.0


def test_probability_and_mtbf_are_inverse() -> None:
    mtbf, t = sp.symbols("m t", positive=True)
    both = formulas.node_mtbf_from_probability.raw(formulas.node_failure_probability.raw(mtbf, t), t)
    assert float(both.subs({mtbf: 700, t: 30})) == pytest.approx(700)
    small = formulas.node_failure_probability.raw(mtbf, t)
    assert sp.limit(small / (t / mtbf), t, 0) == 1  # a small probability is the time over the MTBF
    assert sp.limit(small, t, sp.oo) == 1
    assert formulas.node_mtbf_from_probability(failure_probability=0.0, period_s=DAY) == math.inf
    tiny = formulas.node_failure_probability(node_mtbf_s=1e15, period_s=1.0)
    assert tiny == pytest.approx(1e-15, rel=1e-9)  # no digits lost


def test_groups_reduce_to_nodes() -> None:
    m, n, g = sp.symbols("m n g", positive=True)
    apart = formulas.mtbf_from_groups.raw(m, n, sp.oo, n / g)
    assert sp.simplify(apart - formulas.mtbf_from_nodes.raw(m, n)) == 0
    assert formulas.nodes_per_failure.raw(m, n, sp.oo, n / g, g) == 1
    assert formulas.nodes_per_failure(1e5, 8, 1e5, 8, group_nodes=1) == 1


def test_monte_carlo_of_nodes_and_groups() -> None:
    """64 nodes in groups of 8, each with a clock of its own: failures in a window, and nodes that each took."""
    rng = np.random.default_rng(5)
    windows, length = 4000, 30.0
    alone = rng.poisson(length / 400, (windows, 64)).sum(axis=1)
    together = rng.poisson(length / 300, (windows, 8)).sum(axis=1)
    failures = alone + together
    mtbf = formulas.mtbf_from_groups(400 * DAY, 64, 300 * DAY, 8) / DAY
    error = failures.std() / math.sqrt(windows)
    assert abs(failures.mean() - length / mtbf) < 4 * error
    taken = (alone.sum() + 8 * together.sum()) / failures.sum()
    assert taken == pytest.approx(formulas.nodes_per_failure(400, 64, 300, 8, 8), rel=0.03)
    none = (failures == 0).mean()  # the whole job as one node: the chance of an uninterrupted window
    chance = 1 - formulas.node_failure_probability(node_mtbf_s=mtbf, period_s=length)
    assert abs(none - chance) < 4 * math.sqrt(chance * (1 - chance) / windows)


def job(**failures: Any) -> Job:
    return Job.from_mapping(
        {
            "job": {"work": "1000 h"},
            "cluster": {"embedding_shards": 64},
            "failures": failures,
            "checkpoint": {"save": "1 min", "load": "1 min", "reschedule": "1 min"},
        }
    )


GROUPS = {"nodes": 64, "group_mtbf": "300 d", "group_nodes": 8}


def test_job_file() -> None:
    one = job(node_failure_probability=0.1, node_period="30 d", nodes=50)
    assert one.failure_mix.mtbf_s == pytest.approx(-30 * DAY / math.log(0.9) / 50)
    groups = job(node_mtbf="400 d", **GROUPS)
    assert groups.failure_mix.mtbf_s == pytest.approx(DAY / (64 / 400 + 8 / 300))
    mean = (64 / 400 + 8 * 8 / 300) / (64 / 400 + 8 / 300)
    assert groups.failure_mix.shards_per_failure == pytest.approx(mean)
    assert any("group_nodes" in line for line in groups.assumptions())
    other = groups.with_mtbf(1e5).failure_mix
    assert (other.mtbf_s, other.shards_per_failure) == (1e5, pytest.approx(mean))
    assert Job.from_mapping(groups.model_dump(exclude_none=True)) == groups
    by_days = job(per_1000_node_days=2.5, **GROUPS)
    assert by_days.failure_mix.mtbf_s == pytest.approx(groups.failure_mix.mtbf_s)
    dense = Job.from_mapping(
        {"job": {"work": "9 h"}, "failures": {"node_mtbf": "400 d", **GROUPS}, "checkpoint": {"save": "1 s"}}
    )
    assert dense.failure_mix.shards_per_failure == 1


@pytest.mark.parametrize(
    ("failures", "expected"),
    [
        ({"node_failure_probability": 0.1, "nodes": 3}, "failures.node_period: expected both"),
        ({"node_period": "3 d", "mtbf": "3 h"}, "failures.node_failure_probability: expected both"),
        ({"node_failure_probability": 1.0, "node_period": "3 d", "nodes": 3}, "expected a number less than 1"),
        ({"node_failure_probability": 0.1, "node_period": "3 d"}, "failures.nodes: expected the number of nodes"),
        ({"node_mtbf": "3 d", "nodes": 3, "group_mtbf": "3 d"}, "failures.group_nodes: expected both"),
        ({"mtbf": "3 d", "group_mtbf": "3 d", "group_nodes": 3}, "failures.group_nodes = 3: expected node_mtbf"),
        ({"node_mtbf": "3 d", **GROUPS, "nodes": 3}, "failures.group_nodes = 8: expected at most nodes (3)"),
        ({"node_mtbf": "3 d", **GROUPS, "nodes": 999, "group_nodes": 65}, "at most cluster.embedding_shards (64)"),
    ],
)
def test_what_is_wrong_is_one_line(failures: dict[str, Any], expected: str) -> None:
    with pytest.raises(JobError) as caught:
        job(**failures)
    assert expected in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
