"""Components, domains and copies in memory: against a play with every node in its place, and published figures."""

from __future__ import annotations

import math
import random
import statistics
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cprmodel import Job, JobError, formulas, plan, plan_many, simulate
from cprmodel.costing import SteadyState, saving_of
from cprmodel.facts.strategies import Strategy
from cprmodel.jobs.domains import group_left
from cprmodel.report.explain import explain_lines
from tests import slow_domains_loop as loop

DATA: dict[str, Any] = {
    "job": {"work": "90 d"},
    "cluster": {"embedding_shards": 32},
    "failures": {
        "nodes": 32,
        "domains": {"host": 2, "rack": 8},
        "component": [
            {"name": "software", "domain": "process", "mttf": "60 d"},
            {"name": "GPU", "count": 8, "fit": 40_000},
            {"name": "board", "domain": "host", "mttf": "200 d"},
            {"name": "switch", "domain": "rack", "mttf": "100 d"},
        ],
    },
    "checkpoint": {
        "reschedule": "10 min",
        "level": [
            {"name": "own", "save": "2 s", "load": "5 s", "copies": 1},
            {"name": "peer", "save": "10 s", "load": "30 s", "copies": 2, "apart": "host", "every": 4},
            {"name": "remote", "save": "3 min", "load": "5 min", "every": 5},
        ],
    },
    "accuracy": {"pls_budget": 0.02},
}


def job_of(**tables: dict[str, Any]) -> Job:
    data = {name: {**DATA.get(name, {}), **tables.get(name, {})} for name in {**DATA, **tables}}
    return Job.from_mapping({name: {k: v for k, v in one.items() if v is not None} for name, one in data.items()})


def component(**facts: Any) -> dict[str, Any]:
    return {"nodes": 32, "component": [facts]}


def played(job: Job, strategy: Strategy, runs: int, seed: int) -> tuple[float, float, float, float]:
    """Mean overhead and PLS, and the standard error of each."""
    of, domains, saving = job.failures, job.failures.domain_sizes, saving_of(job)
    sizes = {name: domains.size(name) or 1 for name in ("process", "node", "host", "rack", "network")}
    parts = [
        loop.Part(
            mttf=3600e9 / one.fit if one.fit else one.mttf_s or 0.0,
            count=one.count,
            nodes=sizes[one.domain],
            process=one.domain == "process",
            at_once=one.at_once,
        )
        for one in of.component or ()
    ]
    levels = []
    for one in job.checkpoint.level or ():
        partial = strategy.recovery.name == "partial"
        load = (one.load_s or 0.0) / (job.cluster.embedding_shards or 1) if partial else one.load_s or 0.0
        apart = sizes[one.apart or "node"]
        levels.append(loop.Place(one.save_s or 0.0, load, one.copies or 0, apart, one.held_by == "process"))
    setting = loop.Setting(
        work=job.job.work_s,
        interval=strategy.interval_s,
        nodes=of.nodes or 1,
        parts=parts,
        levels=levels,
        counts=list(saving.counts),  # type: ignore[attr-defined]
        reschedule=job.checkpoint.reschedule_s,
        full=strategy.recovery.name == "full",
    )
    rng = random.Random(seed)
    found = [loop.play(setting, rng) for _ in range(runs)]
    overheads, lost = [time / setting.work - 1 for time, _ in found], [pls for _, pls in found]
    root = math.sqrt(runs)
    return (
        statistics.mean(overheads),
        statistics.stdev(overheads) / root,
        statistics.mean(lost),
        statistics.stdev(lost) / root,
    )


def test_against_a_play_with_every_node_in_its_place() -> None:
    """Both recoveries. Shared by both: a load puts the copies in place again."""
    job = job_of()
    for recovery in (job.full_recovery, job.partial_recovery):
        strategy = Strategy(recovery.name, recovery, saving_of(job), 1800.0)
        cost = SteadyState().cost(job, strategy)
        mean, error, pls, scatter = played(job, strategy, 30, seed=4)
        last = 200 / job.job.work_s  # no save at the end
        assert abs(mean - cost.breakdown.total) < 3 * error + last, recovery.name
        assert abs(pls - cost.pls) < 3 * scatter + 1e-12


def test_that_racks_take_more_shards_and_need_a_higher_level_counts() -> None:
    """Shards alone lose half a cheap interval, a rack's half of the last level's: their means do not multiply."""
    job = job_of()
    mix = job.failure_mix
    assert mix.shards_at(0) == 1
    assert mix.shards_at(2) == 8
    assert mix.shards_at(1) == pytest.approx((8 * 40e-6 * 32 + 2 * 16 / 4800) / (8 * 40e-6 * 32 + 16 / 4800))
    strategy = Strategy("partial", job.partial_recovery, saving_of(job), 1800.0)
    cost = SteadyState().cost(job, strategy)
    found = simulate(job, strategy, 300, seed=2)
    assert abs(found.pls.mean - cost.pls) < 3.5 * found.pls.standard_error
    assert (
        abs(found.overhead_fraction.mean - cost.breakdown.total) < 4 * found.overhead_fraction.standard_error + 3e-5
    )
    assert found.pls_of_runs.std() == pytest.approx(cost.pls_standard_deviation, rel=0.15)


def test_at_random_against_the_play() -> None:
    """12 placements; of 12 comparisons at most one beyond three errors."""
    rng, beyond = random.Random(3), 0
    for seed in range(12):
        copies, apart = rng.choice([(2, "node"), (2, "host"), (4, "node"), (2, "rack"), (3, "node")])
        held = rng.choice(["process", "node"])
        domains = {"host": rng.choice([1, 2]), "rack": rng.choice([4, 8])}
        parts = [
            {"domain": "process", "mttf": f"{rng.uniform(30, 200)} d"},
            {"count": 8, "fit": 10 ** rng.uniform(3.5, 5)},
            {"domain": "host", "mttf": f"{rng.uniform(100, 400)} d"},
            {"domain": "rack", "mttf": f"{rng.uniform(40, 200)} d"},
        ]
        nodes = 48
        level = [
            {"save": "3 s", "load": "20 s", "copies": copies, "apart": apart, "held_by": held},
            {"save": "2 min", "load": "4 min", "every": rng.choice([3, 10])},
        ]
        try:
            job = job_of(
                job={"work": "40 d"},
                cluster={"embedding_shards": nodes},
                failures={"nodes": nodes, "domains": domains, "component": parts},
                checkpoint={"level": level},
            )
        except JobError as error:  # a copy in the process alone survives nothing
            assert "survives" in str(error)  # noqa: PT017
            continue
        recovery = rng.choice([job.full_recovery, job.partial_recovery])
        strategy = Strategy(recovery.name, recovery, saving_of(job), rng.uniform(600, 4000))
        expected = SteadyState().cost(job, strategy)
        mean, error, pls, scatter = played(job, strategy, 12, seed)
        last = 130 / job.job.work_s
        beyond += (
            abs(mean - expected.breakdown.total) > 3 * error + last or abs(pls - expected.pls) > 3 * scatter + 1e-12
        )
    assert beyond <= 1


def test_a_last_rack_that_is_not_full() -> None:
    """Racks of 24 on 64 nodes are three with a switch each, by hand; and against the play with nodes in places."""
    switch = [{"name": "switch", "domain": "rack", "mttf": "300 d"}]
    failures = {"nodes": 64, "domains": {"rack": 24}, "component": switch}
    job = job_of(cluster={"embedding_shards": 64}, failures=failures, checkpoint=PLAIN)
    assert job.failure_mix.mtbf_s == pytest.approx(100 * 86400.0)
    assert [(one.share, one.shards) for one in job.failure_mix.sorts] == [
        (pytest.approx(2 / 3), 24),
        (pytest.approx(1 / 3), 16),
    ]
    assert job.failure_mix.shards_per_failure == pytest.approx(64 / 3)  # of three racks one, whichever
    answer = plan(job)
    assert any(
        line
        == "failures.domains.rack = 24: 64 nodes fill 2 racks, and a last one has 16: it fails as often as a full "
        "one, and takes what it has"
        for line in answer.warnings
    )
    text = "\n".join(explain_lines(answer))
    assert "switch: 1 in each of 3 racks (the last one of 16 nodes); 100% of the failures" in text
    assert "takes 16 shards in a rack of 16 nodes where it takes any" in text
    assert not any("failures.domains" in line for line in plan(job_of()).warnings)  # 32 nodes fill four racks of 8
    # 36 nodes in racks of 16: of three copies on neighbouring hosts the last rack, of two hosts, leaves one
    level = [{"save": "10 s", "load": "30 s", "copies": 3, "apart": "host"}, {**DATA["checkpoint"]["level"][2]}]
    parts = [*DATA["failures"]["component"][:3], {"name": "switch", "domain": "rack", "mttf": "20 d"}]
    short = {"nodes": 36, "domains": {"host": 2, "rack": 16}, "component": parts}
    job = job_of(cluster={"embedding_shards": 36}, failures=short, checkpoint={"level": level})
    a_day = 36 / 60 + 8 * 36 * 40e-6 * 24 + 18 / 200 + 3 / 20
    assert job.survives(0) == pytest.approx(1 - 2 / 20 / a_day)
    for recovery in (job.full_recovery, job.partial_recovery):
        strategy = Strategy(recovery.name, recovery, saving_of(job), 1800.0)
        cost = SteadyState().cost(job, strategy)
        mean, error, pls, scatter = played(job, strategy, 12, seed=4)
        assert abs(mean - cost.breakdown.total) < 3 * error + 200 / job.job.work_s, recovery.name
        assert abs(pls - cost.pls) < 3 * scatter + 1e-12


def test_the_published_figures_of_copies_in_memory() -> None:
    """GEMINI (SOSP'23): 16 nodes, two copies: 93.3% after two failures at once, 80.0% after three."""
    for failed, said in ((1, 1.0), (2, 0.933), (3, 0.800)):
        assert group_left(16, 2, failed) == pytest.approx(said, abs=5e-4)
    parts = [{"name": "rollout", "at_once": 2, "share": 0.4}, {"share": 0.6, "domain": "process"}]
    level = [{"save": "1 s", "copies": 2}, {"save": "1 min"}]
    failures = {"nodes": 16, "mtbf": "1 d", "component": parts, "domains": None}
    job = job_of(cluster={"embedding_shards": 16}, failures=failures, checkpoint={"level": level})
    assert job.survives(0) == pytest.approx(0.6 + 0.4 * 14 / 15)
    assert any("2 copies on different nodes survive 97.3%" in line for line in plan(job).warnings)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 4), st.integers(1, 4), st.data())
def test_no_group_is_gone_as_often_as_counted(copies: int, groups: int, data: st.DataObject) -> None:
    nodes = copies * groups
    failed = data.draw(st.integers(1, nodes))
    good = all_ways = 0
    for gone in combinations(range(nodes), failed):
        all_ways += 1
        good += all(any(group * copies + at not in gone for at in range(copies)) for group in range(groups))
    assert group_left(nodes, copies, failed) == pytest.approx(good / all_ways, abs=1e-12)


def test_the_mtbf_is_that_of_node_days_and_of_groups() -> None:
    """6.5 per 1,000 node-days (Kokolis et al.) are 270,833 FIT a node; a domain of nodes is a group of them."""
    days = job_of(failures=component(fit=6.5 / 24_000 * 1e9) | {"domains": None}, checkpoint=PLAIN)
    assert days.failure_mix.mtbf_s == pytest.approx(formulas.mtbf_from_node_days(32, 6.5))
    parts = [{"mttf": "400 d"}, {"mttf": "300 d", "domain": "rack"}]
    racks = job_of(failures={"component": parts, "domains": {"rack": 8}}, checkpoint=PLAIN)
    given = {"node_mtbf": "400 d", "group_mtbf": "300 d", "group_nodes": 8, "component": None, "domains": None}
    groups = job_of(failures=given, checkpoint=PLAIN)
    assert racks.failure_mix.mtbf_s == pytest.approx(groups.failure_mix.mtbf_s)
    assert racks.failure_mix.shards_per_failure == pytest.approx(groups.failure_mix.shards_per_failure)
    assert plan(racks).best.overhead_fraction == pytest.approx(plan(groups).best.overhead_fraction, rel=1e-12)


PLAIN = {"level": None, "save": "4 min", "load": "4 min"}


def test_the_interruptions_of_llama_3_by_what_failed() -> None:
    """Llama 3 (arXiv 2407.21783, table 5): 419 unexpected interruptions in 54 days of 16,384 GPUs."""
    hours, rest = 54 * 24, 419 - 148 - 72 - 35
    parts = [
        {"name": "GPU", "count": 8, "fit": 148 / (16_384 * hours) * 1e9},
        {"name": "HBM3", "count": 8, "fit": 72 / (16_384 * hours) * 1e9},
        {"name": "switch or cable", "fit": 35 / (2_048 * hours) * 1e9},
        {"name": "other", "fit": rest / (2_048 * hours) * 1e9},
    ]
    failures = {"nodes": 2048, "component": parts, "domains": None}
    job = job_of(cluster={"embedding_shards": None}, failures=failures, checkpoint=PLAIN)
    assert job.failure_mix.mtbf_s == pytest.approx(hours * 3600 / 419)
    (said,) = [one for one in plan(job).warnings if one.startswith("failures.component")]
    assert "of the failures other 39.1%, GPU 35.3%, HBM3 17.2%, switch or cable 8.35%" in said
    assert plan(job).to_dict()["components"][0]["share"] == pytest.approx(148 / 419)


def test_by_hand_and_by_place_are_the_same_where_failures_take_one_shard() -> None:
    parts = [{"domain": "process", "share": 0.7}, {"share": 0.3}]
    level = [{"save": "2 s", "load": "5 s"}, {"save": "1 min", "load": "2 min"}]
    common = {"nodes": 32, "mtbf": "20 h", "domains": None}
    placed = job_of(
        failures={**common, "component": parts}, checkpoint={"level": [{**level[0], "copies": 1}, level[1]]}
    )
    by_hand = job_of(
        failures={**common, "component": None}, checkpoint={"level": [{**level[0], "survives": 0.7}, level[1]]}
    )
    for one, other in zip(plan(placed).strategies, plan(by_hand).strategies, strict=True):
        assert one.overhead_fraction == pytest.approx(other.overhead_fraction, rel=1e-12)
        assert one.expected_pls == pytest.approx(other.expected_pls, rel=1e-12)


def test_it_composes_with_sweeps_moves_and_other_mtbfs() -> None:
    job = job_of()
    vary = {"failures.component.3.mttf": ["10 d", "1000 d"], "checkpoint.level.1.copies": [2, 4]}
    found = plan_many(job, vary, workers=1)
    for at in range(4):
        parts = [
            *DATA["failures"]["component"][:3],
            {"domain": "rack", "mttf_s": found["failures.component.3.mttf"][at]},
        ]
        levels = [dict(one) for one in DATA["checkpoint"]["level"]]
        levels[1]["copies"] = int(found["checkpoint.level.1.copies"][at])
        best = plan(job_of(failures={"component": parts}, checkpoint={"level": levels})).best
        assert found["overhead_fraction"][at] == pytest.approx(best.overhead_fraction, rel=1e-12)
        assert found["expected_pls"][at] == pytest.approx(best.expected_pls, rel=1e-9)
    half = job.with_mtbf(job.failure_mix.mtbf_s / 2)
    assert half.failure_mix.mtbf_s == pytest.approx(job.failure_mix.mtbf_s / 2)
    assert half.survives(1) == pytest.approx(job.survives(1))
    assert half.failure_mix.shards_per_failure == pytest.approx(job.failure_mix.shards_per_failure)
    again = Job.from_mapping(job.model_dump(exclude_none=True))
    assert again == job
    scaled = job_of(scaling={"exponent": 0.9}).scaled_to(64)
    assert scaled.failure_mix.mtbf_s == pytest.approx(job.failure_mix.mtbf_s / 2)


def test_it_is_shown() -> None:
    answer = plan(job_of())
    text = "\n".join(explain_lines(answer))
    assert "[mttf_from_fit]" in text
    assert "GPU: 8 in each of 32 nodes" in text
    a_day = {"software": 32 / 60, "GPU": 8 * 32 * 40e-6 * 24, "board": 16 / 200, "switch": 4 / 100}
    survives = f"{100 * a_day['software'] / sum(a_day.values()):.1f}%"
    kept = [one for one in answer.warnings if one.startswith("own")]
    assert kept == [
        f"own: the one copy survives {survives} of the failures; lost with GPU, board (host), switch (rack)"
    ]
    shares = [one["share"] for one in answer.to_dict()["components"]]
    assert np.sum(shares) == pytest.approx(1)
    assert (
        plan(job_of(failures={"component": None, "mtbf": "1 d"}, checkpoint=PLAIN)).to_dict()["components"] is None
    )


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        (
            {"failures": {"mtbf": "1 d"}},
            'failures.mtbf and component = "1 d" and [{ name = "software", domain = "process", mttf = "60 d" }',
        ),
        ({"failures": {"nodes": None}}, "failures.nodes: expected the number of nodes, since component is given"),
        (
            {
                "failures": {
                    "component": [{"name": "GPU", "fit": 3}, {"fit": 2}, {"fit": 4}, {"name": "GPU", "fit": 5}]
                }
            },
            'failures.component.3.name = "GPU": expected a name of its own, which failures.component.0 has',
        ),
        ({"failures": component(name="x")}, "failures.component.0.fit: expected one of fit, mttf, share"),
        (
            {"failures": component(fit=3, mttf="2 d")},
            'failures.component.0.fit and mttf = 3 and "2 d": expected one',
        ),
        (
            {"failures": component(share=0.3) | {"mtbf": "1 d"}},
            "component.share = 0.3: expected shares that sum to 1",
        ),
        ({"failures": component(share=1.0)}, "failures.mtbf: expected exactly one of mtbf"),
        (
            {"failures": component(fit=3, domain="cage")},
            'domain = "cage": expected "process", "node", "host", "rack"',
        ),
        (
            {"failures": component(fit=3, domain="network")},
            "failures.domains.network: expected nodes in it, since component.0 has this domain",
        ),
        ({"failures": {"domains": {"host": 3, "rack": 8}}}, "domains.rack = 8: expected a multiple of the 3 nodes"),
        ({"failures": {"domains": {"host": 2, "rack": 64}}}, "domains.rack = 64: expected at most nodes (32)"),
        ({"failures": component(fit=3, domain="rack", at_once=2)}, "component.0.at_once = 2: expected domain ="),
        ({"failures": component(fit=3, count=2, share=1.0)}, "fit and share = 3 and 1: expected one of"),
        (
            {"failures": component(count=2, share=1.0) | {"mtbf": "1 d"}},
            "component.0.count = 2: expected fit or mttf",
        ),
        ({"failures": {"shards_per_failure": 2}}, "shards_per_failure = 2: expected no such key beside component"),
        (
            {"failures": {"component": None, "mtbf": "1 d"}},
            "checkpoint.level.0.copies = 1: expected failures.component, which says what fails together",
        ),
    ],
)
def test_bad_input_is_one_line(tables: dict[str, dict[str, Any]], said: str) -> None:
    with pytest.raises(JobError) as error:
        job_of(**tables)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("first", "said"),
    [
        ({"copies": 2, "survives": 0.9}, "level.0.survives and copies = 0.9 and 2: expected only one of the two"),
        ({"apart": "rack"}, 'level.0.apart = "rack": expected copies beside it'),
        (
            {"copies": 5, "apart": "rack"},
            "level.0.copies = 5: expected at most 4, so many as there are to be apart in",
        ),
        (
            {"copies": 2, "apart": "network"},
            "failures.domains.network: expected nodes in it, since checkpoint.level.0",
        ),
        (
            {"copies": 2, "apart": "rack"},
            "level.1.copies = 2: expected a level that survives all that the one below",
        ),
        ({"survives": 0.5}, "level.0.survives = 0.5: expected copies in each level but the last, or in none"),
    ],
)
def test_bad_placements_are_one_line(first: dict[str, Any], said: str) -> None:
    levels = [{"save": "2 s", **first}, *DATA["checkpoint"]["level"][1:]]
    with pytest.raises(JobError) as error:
        job_of(checkpoint={"level": levels})
    assert said in str(error.value)
    assert "\n" not in str(error.value)
