"""Orders by what they cost in the metric: the rows of a harm record, and a failure under each order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cprmodel.facts.errors import JobError, Problem
from cprmodel.harm.orders import OrderHarm, harm_of_failure
from cprmodel.harm.predicted import HarmModel
from cprmodel.ordering.policies import Setting
from cprmodel.rows import Rows

__all__ = ["in_metric", "rows_of_record"]


def rows_of_record(model: HarmModel, row_bytes: float, samples_per_s: float) -> Rows:
    """The record's rows at its last point, those alike together, at the pace of training."""
    last = model.terms[-1]
    some = last.rows > 0
    rows = last.rows[some]
    return Rows(last.accesses[some] / rows * samples_per_s, np.array(row_bytes), rows, row_bytes)


def in_metric(
    model: HarmModel, rows: Rows, setting: Setting, samples_per_s: float, lost_share: float
) -> Sequence[OrderHarm]:
    """What one failure at a random moment of the run costs at its end, the cheapest order first.

    JobError where not even two saves fit into the record's run.
    """
    every = setting.slot_s(rows) * samples_per_s
    if not 2 * every <= model.record.samples:
        expected = (
            f"a bandwidth that saves {setting.fraction:.3g} of the rows twice in the record's run of "
            f"{model.record.samples:,} samples; a save takes {every:,.0f}"
        )
        raise JobError("--budget", [Problem("", "", expected)])
    found = harm_of_failure(model, setting.fraction, every, lost_share, seed=setting.seed)
    return sorted(found.values(), key=lambda one: one.rise)
