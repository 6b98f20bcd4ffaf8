"""The runs of orders of saving: what each lost beside its prediction, and whether fewer than no order loses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from validation.experiment.design import ALL_AT_ONCE
from validation.experiment.orders import UNPREDICTED, Struck, predicted_pls, update_rates
from validation.experiment.outcome import OrderFound, Outcome
from validation.experiment.verdict import Check, Verdict, interval_90, span

__all__ = ["order_checks", "orders_found"]


def orders_found(outcome: Outcome) -> Iterator[OrderFound]:
    """The runs of each order beside the prediction for their failures."""
    section = outcome.experiment.experiment.orders
    runs = [run for run in outcome.runs if run.role == "order" and run.measured]
    if section is None or not runs:
        return
    rates: dict[int, Any] = {}
    for name in section.names:
        mine = sorted((run for run in runs if run.name == f"order-{name}"), key=lambda run: run.seed)
        said = []
        for run in mine:
            experiment = outcome.experiment
            if run.seed not in rates:  # synthetic data follow one law, whatever the seed
                synthetic = experiment.data.source == "synthetic"
                rates[run.seed] = rates[0] if synthetic and 0 in rates else update_rates(experiment.one(run.seed))
            case = experiment.one(run.seed, strategy=section.strategy(name))
            at = section.struck(experiment.steps, experiment.shards.count, experiment.training.seed + run.seed)
            struck = [Struck((one.at_step or 1) - 1, one.shards) for one in at]
            drained = run.measured.drained_steps if run.measured else []
            drain_steps = float(np.mean(drained)) if drained else 0.0
            said.append(predicted_pls(case, rates[run.seed], struck, run.seed, drain_steps))
        summaries = [run.measured.summary for run in mine if run.measured]
        if mine:
            yield OrderFound(
                name,
                tuple(run.seed for run in mine),
                tuple(one.lost_share for one in summaries),
                tuple(said),
                float(np.mean([one.saved_rows for one in summaries])),
                tuple(run.metric_drop for run in mine if run.metric_drop is not None),
            )


def order_checks(outcome: Outcome) -> Iterator[Check]:
    section = outcome.experiment.experiment.orders
    assert section is not None
    uniform = next((one for one in outcome.orders if one.name == ALL_AT_ONCE), None)
    for one in outcome.orders:
        if one.name in UNPREDICTED or not sum(one.predicted):
            continue
        apart = [m - p for m, p in zip(one.measured, one.predicted, strict=True)]
        ratio, low, high = interval_90(apart, one.predicted)
        said = f"{100 * ratio:+.1f}%{span(low, high)}, ±{100 * section.tolerance:g}% asked"
        verdict = Verdict.of(low, high, section.tolerance)
        yield Check(f"{one.name}: lost updates are as predicted", said, verdict)
    for one in outcome.orders:
        if uniform is None or one.name in (ALL_AT_ONCE, *UNPREDICTED):
            continue
        mine, theirs = (dict(zip(of.seeds, of.measured, strict=True)) for of in (one, uniform))
        seeds = [seed for seed in one.seeds if seed in theirs]
        if not sum(theirs[seed] for seed in seeds) or not sum(uniform.predicted):
            continue
        ratio, low, high = interval_90(
            [mine[seed] - theirs[seed] for seed in seeds], [theirs[seed] for seed in seeds]
        )
        before = float(np.mean(one.predicted) / np.mean(uniform.predicted)) - 1
        said = f"{100 * ratio:+.1f}%{span(low, high)}, predicted {100 * before:+.1f}%"
        fewer = Verdict.PASS if high < 0 else Verdict.FAIL if low > 0 else Verdict.INCONCLUSIVE
        if before < 0:
            yield Check(f"{one.name} loses fewer updates than saving everything at once", said, fewer)
