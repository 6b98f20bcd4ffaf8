r"""Predicting the metric's drop instead of fitting it: rows relearn at the rate at which they are accessed.

The model
    A row that has had n updates adds a·q·(1 + n)^(−b) to what the metric is short of its limit, q being the share
    of lookups that go to it. After t steps without failures, row i has had n_i t/T updates, n_i in all T steps:

    .. math:: M(t) = M_\infty - a \sum_i q_i (1 + n_i t/T)^{-b}

    A shard that loses ℓ steps for good leaves its rows with n_i (1 − ℓ/T) updates at the end:

    .. math:: \Delta = a \sum_i q_i \left[(1 + n_i (1 - \ell_{s(i)}/T))^{-b} - (1 + n_i)^{-b}\right]

What it needs
    The accesses of the rows, and M at some points of a run *without* failures, to which M∞, a and b are fitted. No
    run with failures.

What it leaves out
    When samples were lost (only how many counts), and that the MLPs learn, too, and are not rolled back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from validation.case import Case
from validation.data.sources import open_source
from validation.data.tables import num_embeddings_of
from validation.experiment.outcome import Outcome, Run
from validation.shards.layout import layout_of

__all__ = ["Curve", "Predictor", "access_counts", "fit_curve", "predictors"]

#: The learning curve is fitted to its points from this share of the steps on: earlier it is the MLPs that learn.
FROM = 0.25


@dataclass(frozen=True)
class Curve:
    """A learning curve of rows: M∞, a, b, and the accesses that it was fitted with."""

    limit: float
    height: float
    exponent: float
    counts: Any  # of each row, over the whole training
    shares: Any  # of lookups that go to it

    def at(self, share: float) -> float:
        """The metric after a share of the steps, without failures."""
        return float(self.limit - self.height * np.sum(self.shares * (1 + self.counts * share) ** -self.exponent))

    def drop(self, lost: Any) -> float:
        """What it drops when each row loses this share of its updates."""
        left = (1 + self.counts * (1 - lost)) ** -self.exponent - (1 + self.counts) ** -self.exponent
        return float(self.height * np.sum(self.shares * left))


def access_counts(case: Case) -> Any:
    """How often each flat row is looked up in training."""
    source = open_source(case)
    counts = np.zeros(sum(source.num_embeddings), dtype=np.int64)
    batches = source.train(None)
    for _ in range(case.steps):
        batch, _ = next(batches)
        counts += np.bincount(batch.ids, minlength=len(counts))
    return counts


def fit_curve(points: Sequence[tuple[float, float]], counts: Any) -> Curve:
    """M∞, a and b by least squares: the first two are linear, b is searched for."""
    from scipy import optimize

    shares = counts / counts.sum()
    used = [(share, value) for share, value in points if share >= FROM]
    at, values = (np.array(column) for column in zip(*used, strict=True))

    def solve(exponent: float) -> tuple[float, Any]:
        short = np.array([np.sum(shares * (1 + counts * share) ** -exponent) for share in at])
        design = np.column_stack([np.ones_like(short), -short])
        found, *_ = np.linalg.lstsq(design, values, rcond=None)
        rest = values - design @ found
        return float(rest @ rest), found

    best = optimize.minimize_scalar(lambda b: solve(b)[0], bounds=(0.02, 3.0), method="bounded")
    exponent = float(best.x)
    _, (limit, height) = solve(exponent)
    return Curve(float(limit), float(height), exponent, counts, shares)


@dataclass(frozen=True)
class Predictor:
    """A way to predict drops, and how far it was off on runs that it had not seen."""

    name: str
    rmse: float
    by_pattern: Mapping[str, tuple[float, float]]  # mean predicted, mean measured


def predictors(outcome: Outcome, level: Sequence[str] = ()) -> tuple[list[Predictor], list[Curve]]:
    """The line and the relearning model on the same held-out runs.

    The line is fitted to every second seed, and of it to the patterns ``level`` alone (default: those that lose
    from any shard, at any time; ones that differ in PLS alone). Held out are the other patterns of the other seeds.
    The relearning model sees each seed's run without failures. Scaled: times one factor, fitted as the line is.
    """
    curves: dict[tuple[int, str], tuple[Curve, float]] = {}
    counts: dict[int, Any] = {}  # of a seed, whatever the placement
    for run in outcome.runs:
        if run.role == "baseline" and run.name.startswith("no-failures-") and run.measured:
            if run.seed not in counts:
                counts[run.seed] = access_counts(outcome.experiment.one(run.seed))
            found = _curve(outcome, run, counts[run.seed])
            if found is not None:
                curves[run.seed, run.name.removeprefix("no-failures-")] = found
    runs = [run for run in outcome.runs if run.loss and run.measured and run.metric_drop is not None]
    runs = [run for run in runs if (run.seed, str(run.loss["placement"])) in curves]  # type: ignore[index]
    level = level or [loss.name for loss in outcome.experiment.experiment.losses if _plain(loss)]
    seeds = sorted({run.seed for run in runs})
    fit = [run for run in runs if run.name in level and run.seed in seeds[::2]]
    test = [run for run in runs if run.name not in level and run.seed in seeds[1::2]]
    if not fit or not test:
        return [], []
    modelled = {id(run): _relearned(outcome, run, curves) for run in (*fit, *test)}
    pls = {id(run): run.measured.summary.pls for run in (*fit, *test) if run.measured}
    ways = {
        "no drop": dict.fromkeys(pls, 0.0),
        "line": _times(_slope(fit, pls), pls),
        "relearning": modelled,
        "relearning, scaled": _times(_slope(fit, modelled), modelled),
    }
    return [_judge(name, found, test) for name, found in ways.items()], [curve for curve, _ in curves.values()]


def _plain(loss: Any) -> bool:
    return not loss.shards and loss.placement == "rows" and tuple(loss.window) == (0.0, 1.0) and loss.failures == 8


def _curve(outcome: Outcome, run: Run, counts: Any) -> tuple[Curve, float] | None:
    assert run.measured is not None
    points = run.measured.summary.tests
    steps = outcome.experiment.steps
    if len([step for step, _ in points if step >= FROM * steps]) < 4:
        return None
    return fit_curve([(step / steps, auc) for step, auc in points], counts), float(steps)


def _relearned(outcome: Outcome, run: Run, curves: Mapping[tuple[int, str], tuple[Curve, float]]) -> float:
    assert run.measured is not None
    assert run.loss is not None
    placement = str(run.loss["placement"])
    curve, steps = curves[run.seed, placement]
    layout = layout_of(placement, num_embeddings_of(outcome.experiment), outcome.experiment.shards.count)
    lost = np.zeros(layout.total)
    for shard, missing in run.measured.summary.lost_steps.items():
        lost[layout.flat_of(shard)] = len(missing) / steps
    return curve.drop(lost)


def _slope(runs: Sequence[Run], of: Mapping[int, float]) -> float:
    x = np.array([of[id(run)] for run in runs])
    y = np.array([run.metric_drop for run in runs], dtype=float)
    return float(x @ y / (x @ x))


def _times(factor: float, of: Mapping[int, float]) -> dict[int, float]:
    return {key: factor * value for key, value in of.items()}


def _judge(name: str, predicted: Mapping[int, float], runs: Sequence[Run]) -> Predictor:
    errors = [predicted[id(run)] - (run.metric_drop or 0.0) for run in runs]
    patterns: dict[str, list[Run]] = {}
    for run in runs:
        patterns.setdefault(run.name, []).append(run)
    means = {
        pattern: (
            float(np.mean([predicted[id(run)] for run in some])),
            float(np.mean([run.metric_drop or 0.0 for run in some])),
        )
        for pattern, some in patterns.items()
    }
    return Predictor(name, float(np.sqrt(np.mean(np.square(errors)))), means)
