"""The two trainings of a seed: with the probe, which predicts; and forked, rows put back, which measures.

The second trains the same run again, bit by bit, so that nothing but small files goes from one to the other, and
predictions lie on the disk before the first row is put back.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from cprmodel.facts.errors import CprModelError
from cprmodel.harm.record import HarmRecord, Point
from validation.data.batch import Batch
from validation.harm.bench import Bench, Metric, Snapshot
from validation.harm.case import HarmCase
from validation.harm.patterns import Pattern, groups_of, members, parts_of, patterns_of
from validation.harm.samples import Samples, Step, open_samples
from validation.harm.watching import counted, probe_of

__all__ = ["Unequal", "begin", "measure", "reference"]


class Unequal(CprModelError):
    """Two runs that must be the same bit by bit are not."""


def begin(case: HarmCase, seed: int) -> tuple[Samples, list[Step], Bench]:
    """The samples, the steps and the untrained bench of a seed."""
    torch.set_num_threads(1)
    samples = open_samples(case.data, case.num_embeddings, case.probe_samples)
    bench = Bench(samples.num_embeddings, samples.dense_features, case.model, case.training, seed)
    return samples, samples.steps(seed, case.steps), bench


def _moments(case: HarmCase) -> tuple[list[int], set[int]]:
    """Steps after which rows are put back, and those whose state they are put back to."""
    found = list(patterns_of(case))
    at = sorted({moment for one in found for moment in one.at})
    return at, {moment - one.lost for one in found for moment in one.at}


def reference(case: HarmCase, seed: int) -> tuple[HarmRecord, dict[str, Any]]:
    """Train with the probe on: its record; and the shares of every group in every band, and the final metric."""
    samples, steps, bench = begin(case, seed)
    at, _ = _moments(case)
    probe = probe_of(
        bench,
        samples.probe(seed),
        case.training,
        case.data.batch_size,
        case.steps,
        points=[*at, case.steps],
        ages=case.losses.lost,
        left=sorted({case.steps - moment for moment in at}),
    )
    shares: dict[str, Any] = {}
    counts = np.zeros(bench.first[-1])
    for step in steps:
        bench.train(step)
        np.add.at(counts, step.batch.ids, 1.0)
        point = probe.step(counted(step.batch, bench.first))
        if point and bench.at in at:
            per_sample = counts / point.position_samples
            for group in groups_of(case):
                inside = members(group, bench.first, per_sample, case.shards)
                shares[f"{group} after {bench.at}"] = _shares(point, bench.first, per_sample, inside)
    final = bench.test(samples.test(seed))
    return probe.record(), {"shares": shares, "log_loss": final.log_loss, "auc": final.auc}


def _shares(point: Point, first: Any, per_sample: Any, inside: Any) -> list[list[tuple[float, float]]]:
    """Each band by where it begins, and what part of its accesses these rows have."""
    found = []
    for number, table in enumerate(point.tables):
        rows = slice(first[number], first[number + 1])
        used, own = per_sample[rows], inside[rows]
        edges = [band.accesses_from for band in table.bands]
        band = np.searchsorted(edges, used, side="right") - 1
        whole = np.bincount(band, weights=used, minlength=len(edges))
        part = np.bincount(band[own], weights=used[own], minlength=len(edges))
        shares = [float(a / b) if b > 0 else 0.0 for a, b in zip(part, whole, strict=True)]
        found.append(list(zip(edges, shares, strict=True)))
    return found


def measure(
    case: HarmCase, seed: int, expected: dict[str, Any], tables: dict[str, list[int]], done: set[str]
) -> Iterator[dict[str, Any]]:
    """Put rows back in forks of the run, pattern by pattern; what rose and fell, paired."""
    samples, steps, bench = begin(case, seed)
    test = samples.test(seed)
    at, before = _moments(case)
    saved: dict[int, Snapshot] = {}
    bases: dict[int, tuple[Bench, Any]] = {}
    counts = np.zeros(bench.first[-1])
    for step in steps:
        if bench.at in before:
            saved[bench.at] = bench.snapshot()
        if bench.at in at:
            bases[bench.at] = bench.fork(), counts / (bench.at * case.data.batch_size)
        bench.train(step)
        np.add.at(counts, step.batch.ids, 1.0)
    end = bench.test(test)
    if (end.log_loss, end.auc) != (expected["log_loss"], expected["auc"]):
        raise Unequal(f"seed {seed}: trained twice, log losses {end.log_loss} and {expected['log_loss']}")
    tested = {moment: base.test(test) for moment, (base, _) in bases.items()}
    for one in patterns_of(case):
        if one.name not in done:
            base, per_sample = bases[one.at[0]]
            snapshot = saved[one.at[0] - one.lost]
            once, ended = _lose(case, one, seed, base.fork(), steps, test, snapshot, per_sample, tables)
            found = {"at_once": _against(once, tested[one.at[0]]), "at_end": _against(ended, end)}
            yield {"pattern": one.name, "group": one.group, "at": one.at, "lost": one.lost, **found}


def _lose(
    case: HarmCase,
    pattern: Pattern,
    seed: int,
    bench: Bench,
    steps: list[Step],
    test: tuple[Batch, ...],
    snapshot: Snapshot,
    per_sample: Any,
    tables: dict[str, list[int]],
) -> tuple[Metric, Metric]:
    """From the first loss to the end of training: the metric at once, and at the end."""

    def put_back(number: int, snapshot: Snapshot) -> None:
        parts = parts_of(pattern.group, seed, number, case.shards)
        inside = [members(part, bench.first, per_sample, case.shards, tables) for part in parts]
        bench.put_back(np.flatnonzero(np.any(inside, axis=0)), snapshot)

    put_back(0, snapshot)
    once = bench.test(test)
    later = {moment: number for number, moment in enumerate(pattern.at) if number}
    saved = {}
    for step in steps[bench.at :]:
        bench.train(step)
        if bench.at + pattern.lost in later:
            saved[bench.at] = bench.snapshot()
        if bench.at in later:
            put_back(later[bench.at], saved[bench.at - pattern.lost])
    return once, bench.test(test)


def _against(metric: Metric, without: Metric) -> dict[str, float]:
    """What rose and fell against the run without losses, and the standard error over test samples of the rise."""
    rises = metric.losses - without.losses
    return {
        "rise": float(rises.mean()),
        "error": float(rises.std(ddof=1) / len(rises) ** 0.5),
        "auc_fall": without.auc - metric.auc,
    }
