"""Jobs with features at random, each predicted and played; ``python -m tests.costing.random_jobs 0 100``.

Of each job an interval and a recovery are drawn, too. The play (:mod:`cprmodel.simulation`) shares no algebra with
what is predicted. A comparison holds within three standard errors and what is not of a long job: its ends.
"""

from __future__ import annotations

import random
import sys
from dataclasses import dataclass
from typing import Any

from cprmodel import Exact, Job, simulate
from cprmodel.costing import CostModel, model_for, saving_of
from cprmodel.facts.strategies import CheckedSave, Strategy

__all__ = ["Compared", "compared", "drawn"]

#: Failures in all runs of a job, and the fewest runs.
_FAILURES, _RUNS = 60_000, 60


@dataclass(frozen=True)
class Compared:
    """A job that was predicted and played."""

    features: str
    predicted: float
    played: float
    error: float
    ends: float

    @property
    def off(self) -> float:
        """Standard errors beyond the ends."""
        return max(abs(self.played - self.predicted) - self.ends, 0.0) / self.error


def drawn(seed: int) -> tuple[str, Job, Strategy]:
    """A job, what it has, and how it is run."""
    draw = random.Random(seed)
    mtbf = 10 ** draw.uniform(4, 5.5)

    def part(low: float, high: float) -> str:
        return f"{mtbf * 10 ** draw.uniform(low, high)} s"

    shards = draw.choice([4, 16, 32])
    data: dict[str, Any] = {
        "job": {"work": f"{150 * mtbf} s"},
        "cluster": {"embedding_shards": shards},
        "failures": {"mtbf": f"{mtbf} s"},
        "checkpoint": {"load": part(-4, -2), "reschedule": part(-4, -1.7), "partial_reschedule": part(-4, -2)},
        "accuracy": {"pls_budget": 0.5},
    }
    failures = data["failures"]
    failures |= {"trainer_share": draw.uniform(0, 0.3), "whole_job_share": draw.uniform(0.05, 0.5)}
    has = [
        _SAVES[draw.choice(list(_SAVES))](draw, data, part),
        _failures(draw, data, mtbf) if draw.random() < 0.4 else "",
    ]
    if "limit" not in has[0] and draw.random() < 0.3:
        failures["planned"] = [{"every": f"{20 * mtbf} s", "lasts": part(-2, -0.5)}]
        has.append("planned stops")
    if "limit" in has[0] and random.Random(f"{seed} planned").random() < 0.6:
        lasts = mtbf * 10 ** random.Random(f"{seed} lasts").uniform(-1, -0.5)  # longer than the queue
        failures["planned"] = [{"every": f"{20 * mtbf} s", "lasts": f"{lasts} s"}]
        has.append("planned stops")
    if draw.random() < 0.4:
        failures |= {"repair": f"{mtbf * draw.uniform(0.05, 0.5)} s", "repair_share": draw.uniform(0.2, 1)}
        data["cluster"]["spares"] = draw.choice([0, 1, 2])
        has.append("spares")
    if has[0] == "late errors" and random.Random(f"{seed} bad").random() < 0.5:
        data["checkpoint"]["unreadable"] = random.Random(f"{seed} bad").uniform(0.01, 0.4)
        has[0] = "late errors and unreadable saves"
    has += _paced(random.Random(f"{seed} paced"), data, mtbf)
    job = Job.from_mapping(data)
    saving = saving_of(job)
    if isinstance(saving, CheckedSave) and "unreadable" not in has[0] and "late" not in has[0]:
        saving = CheckedSave(
            saving.save_s, *draw.choice([(1, 1), (draw.randint(2, 6), 1), (1, draw.randint(2, 5))])
        )
    recovery = draw.choice([job.full_recovery, job.partial_recovery])
    every = mtbf * 10 ** draw.uniform(-1.7, -0.8)
    has.append(recovery.name)
    return ", ".join(one for one in has if one), job, Strategy(recovery.name, recovery, saving, every)


def _plain(draw: random.Random, data: dict[str, Any], part: Any) -> str:
    data["checkpoint"]["save"] = part(-3.5, -2)
    return ""


def _limited(draw: random.Random, data: dict[str, Any], part: Any) -> str:
    _plain(draw, data, part)
    data["job"] |= {"time_limit": part(-0.1, 0.7), "requeue": part(-3, -1)}
    data["checkpoint"]["save_before_limit"] = draw.random() < 0.5
    return "time limit"


def _checked(draw: random.Random, data: dict[str, Any], part: Any) -> str:
    _plain(draw, data, part)
    data["failures"]["silent"] = {"mtbf": part(0, 1.3)}
    data["checkpoint"]["verify"] = part(-3.5, -2)
    return "silent errors"


def _late(draw: random.Random, data: dict[str, Any], part: Any) -> str:
    _plain(draw, data, part)
    data["failures"]["silent"] = {"mtbf": part(0.3, 1.3), "latency": part(-2, -0.4)}
    return "late errors"


def _unreadable(draw: random.Random, data: dict[str, Any], part: Any) -> str:
    said = _checked(draw, data, part) if draw.random() < 0.5 else _plain(draw, data, part)
    data["checkpoint"]["unreadable"] = draw.uniform(0.01, 0.4)
    return f"{said} and unreadable saves" if said else "unreadable saves"


def _drains(draw: random.Random, data: dict[str, Any], part: Any) -> str:
    data["checkpoint"] |= {"save": part(-4, -2.5), "drain": part(-3, -2), "overlap": draw.uniform(0.5, 1)}
    return "drains"


def _levels(draw: random.Random, data: dict[str, Any], part: Any) -> str:
    del data["checkpoint"]["load"]
    first = {"save": part(-4, -3), "load": part(-4, -3), "survives": draw.uniform(0.5, 0.98)}
    last = {"save": part(-3, -2), "load": part(-3, -2), "every": draw.randint(2, 8)}
    data["checkpoint"]["level"] = [first, last]
    return "levels"


_SAVES = {
    "plain": _plain,
    "limited": _limited,
    "checked": _checked,
    "late": _late,
    "unreadable": _unreadable,
    "drains": _drains,
    "levels": _levels,
}


def _failures(draw: random.Random, data: dict[str, Any], mtbf: float) -> str:
    """Components in place of an MTBF; copies in place of what a level survives."""
    failures, nodes = data["failures"], data["cluster"]["embedding_shards"]
    del failures["mtbf"]
    often = [draw.uniform(0.2, 1) for _ in range(3)]
    shares = [one / sum(often) for one in often]
    domains = ("process", "node", "rack")
    failures |= {"nodes": nodes, "domains": {"rack": 4}, "component": []}
    for domain, share in zip(domains, shares, strict=True):
        units = nodes / (4 if domain == "rack" else 1)
        failures["component"].append({"domain": domain, "mttf": f"{mtbf * units / share} s"})
    levels = data["checkpoint"].get("level")
    if levels is None:
        return "components"
    del levels[0]["survives"]
    levels[0]["copies"] = draw.choice([1, 2])
    return "components, copies"


def _paced(draw: random.Random, data: dict[str, Any], mtbf: float) -> list[str]:
    """Stragglers beside anything, fewer nodes beside saves that block."""
    has, failures = [], data["failures"]
    if draw.random() < 0.3:
        lasts = f"{mtbf * 10 ** draw.uniform(-3, -0.5)} s"
        data["cluster"]["stragglers"] = {
            "share": draw.uniform(0, 0.4),
            "rate": draw.uniform(0.3, 1),
            "lasts": lasts,
        }
        has.append("stragglers")
    point = data["checkpoint"]
    blocks = "level" not in point and "drain" not in point and "unreadable" not in point
    if blocks and "silent" not in failures and "time_limit" not in data["job"] and draw.random() < 0.5:
        group = draw.choice([1, 2, 4])
        replicas = draw.choice([2, 4, 8])
        if "component" in failures:
            replicas = failures["nodes"] // group
        else:
            del failures["mtbf"]
            failures |= {"nodes": group * replicas, "node_mtbf": f"{mtbf * group * replicas} s"}
        failures |= {"repair": f"{mtbf * draw.uniform(0.05, 1)} s", "repair_share": draw.uniform(0.2, 1)}
        reshape, least = f"{mtbf * 10 ** draw.uniform(-4, -2)} s", group * draw.randint(1, replicas)
        data["job"]["elastic"] = {"min_nodes": least, "replica_nodes": group, "reshape": reshape}
        data["scaling"] = {"exponent": draw.uniform(0.5, 1)}
        has.append("fewer nodes")
    return has


def _model(job: Job) -> CostModel:
    """The exact one of saves that block, and else that of the job."""
    return model_for(job, Exact() if job.plain else None)


def compared(seed: int) -> Compared | None:
    """A job's overhead, predicted and played; None where it hardly ends."""
    features, job, strategy = drawn(seed)
    work, mtbf = job.job.work_s, job.failure_mix.mtbf_s
    cost = _model(job).cost(job, strategy)
    predicted = float(cost.breakdown.total)
    if not predicted < 3:
        return None
    runs = max(_RUNS, int(_FAILURES / ((1 + predicted) * work / mtbf)))
    found = simulate(job, strategy, runs, seed=seed).overhead_fraction
    saving, point = strategy.saving, job.checkpoint
    pattern = strategy.interval_s * (saving.saves if isinstance(saving, CheckedSave) else 1)
    if point.level is not None:
        pattern *= point.level[-1].every or 1
    ends = job.load_s + 2 * job.save_s + point.drains_s + pattern * predicted
    ends += (job.job.requeue_s or 0.0) + (cost.waiting + cost.fewer) * (job.repair_s or 0.0) * 3
    if job.job.time_limit_s is not None:
        ends += predicted * job.job.time_limit_s
    silent = job.failures.silent
    if silent is not None:
        ends += (pattern + (silent.latency_s or 0.0)) * pattern / silent.mtbf_s
    if job.failures.planned:  # the last one comes or does not
        (one,) = job.failures.planned
        ends += one.lasts_s / 2
        if job.job.time_limit_s is not None and one.every_s is not None:  # each where in a job the period has it
            ends += work * (1 + predicted) / one.every_s * 0.2 * ((job.job.requeue_s or 0.0) + job.load_s)
    return Compared(features, predicted, found.mean, found.standard_error, ends / work)


def main(first: int, last: int) -> int:
    """Compare jobs, say which are off, and return how many."""
    beyond = 0
    for seed in range(first, last):
        one = compared(seed)
        if one is None:
            print(f"{seed}: hardly ends", flush=True)
            continue
        off = one.off > 3
        beyond += off
        mark = "OFF " if off else ""
        print(
            f"{seed}: {mark}{one.features}: predicted {one.predicted:.4%}, played {one.played:.4%} "
            f"± {one.error:.2g}, ends {one.ends:.2g}: {one.off:.1f}",
            flush=True,
        )
    print(f"{beyond} of {last - first} beyond three standard errors")
    return beyond


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])) > (int(sys.argv[2]) - int(sys.argv[1])) // 33)
