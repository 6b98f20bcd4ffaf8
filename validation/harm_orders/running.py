"""Trainings of one setting: probed and without failures, to predict; saved in an order and failing, to measure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch

from cprmodel.harm.record import HarmRecord, TableHarm
from validation.harm.bench import Bench
from validation.harm.samples import Samples, Step, open_samples
from validation.harm.watching import counted, probe_of
from validation.harm_orders.case import OrdersCase, SettingSection
from validation.harm_orders.savers import Saver

__all__ = ["curvatures_of", "measure", "probed", "strikes"]

_POINTS, _AGES = 5, (1 / 20, 1 / 10, 1 / 5, 2 / 5, 4 / 5)  # of a record: as shares of the run


def _begin(case: OrdersCase, setting: SettingSection, seed: int) -> tuple[Samples, list[Step], Bench]:
    torch.set_num_threads(1)
    samples = open_samples(setting.data, setting.num_embeddings, case.probe_samples)
    bench = Bench(samples.num_embeddings, samples.dense_features, setting.model, setting.training, seed)
    return samples, samples.steps(seed, setting.steps), bench


def probed(case: OrdersCase, setting: SettingSection, seed: int) -> HarmRecord:
    """Train without failures, the probe on; its record."""
    samples, steps, bench = _begin(case, setting, seed)
    points = [round(setting.steps * (i + 1) / _POINTS) for i in range(_POINTS)]
    ages = sorted({max(1, round(setting.steps * share)) for share in _AGES})
    left = sorted({max(1, setting.steps - point) for point in points})
    size = setting.data.batch_size
    batch = samples.probe(seed)
    probe = probe_of(bench, batch, setting.training, size, setting.steps, points, ages, left)
    for step in steps:
        bench.train(step)
        probe.step(counted(step.batch, bench.first))
    return probe.record()


def strikes(case: OrdersCase, setting: SettingSection, seed: int) -> list[tuple[int, tuple[int, ...]]]:
    """After how many steps a seed's run fails, and which shards: the same for every order."""
    random = np.random.default_rng([seed, 0x57121CE])
    at = np.sort(random.choice(np.arange(setting.every, setting.steps), case.failures, replace=False))
    return [
        (int(step), tuple(int(s) for s in np.sort(random.choice(case.shards, case.lost_shards, replace=False))))
        for step in at
    ]


def curvatures_of(records: Sequence[HarmRecord], batch_size: int) -> Callable[[int], list[Any]]:
    """H of every table by the step, mean over records: of the nearest point."""
    positions = np.array([point.position_samples for point in records[0].points]) / batch_size
    held = [
        [
            np.mean([_curvature(one.points[i].tables[t]) for one in records], axis=0)
            for t in range(len(point.tables))
        ]
        for i, point in enumerate(records[0].points)
    ]
    return lambda step: held[int(np.argmin(np.abs(positions - step)))]


def _curvature(table: TableHarm) -> Any:
    """H; of rows too wide for a record to hold it, the mean of its eigenvalues."""
    if table.curvature is None:
        return np.array(table.curvature_trace / table.embedding_dim)
    return np.array(table.curvature)


def measure(
    case: OrdersCase, setting: SettingSection, seed: int, records: Sequence[HarmRecord], done: set[str]
) -> Iterator[dict[str, Any]]:
    """Train in each order through the same failures; what rose and fell against the run without, paired."""
    samples, steps, bench = _begin(case, setting, seed)
    test, curvatures = samples.test(seed), curvatures_of(records, setting.data.batch_size)
    without = bench.fork()
    for step in steps:
        without.train(step)
    end = without.test(test)
    for order in setting.orders:
        if order in done:
            continue
        one = bench.fork()
        lost = _train(case, setting, Saver(one, order, setting.fraction, curvatures), steps, seed)
        metric = one.test(test)
        rises = metric.losses - end.losses
        yield {
            "order": order,
            "rise": float(rises.mean()),
            "error": float(rises.std(ddof=1) / len(rises) ** 0.5),
            "auc_fall": end.auc - metric.auc,
            "lost_updates": lost,
        }


def _train(case: OrdersCase, setting: SettingSection, saver: Saver, steps: Sequence[Step], seed: int) -> float:
    """The whole run; updates lost."""
    bench, lost = saver.bench, 0.0
    due, shard = dict(strikes(case, setting, seed)), np.arange(bench.first[-1]) % case.shards
    since = np.zeros(bench.first[-1])  # updates of each row since it was safe
    for step in steps:
        if bench.at and bench.at % setting.every == 0:
            since[saver.save()] = 0
        if bench.at in due:
            rows = np.flatnonzero(np.isin(shard, due[bench.at]))
            lost += float(since[rows].sum())
            since[rows] = 0
            saver.put_back(rows)
        bench.train(step)
        saver.record(step.batch.ids)
        np.add.at(since, step.batch.ids, 1)
    return lost
