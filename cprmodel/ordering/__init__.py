"""What to save first under a bandwidth budget: the best fixed intervals, what each order loses, and a schedule."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from cprmodel.ordering import kind as _registered  # noqa: F401 (how planning deals with orders)
from cprmodel.ordering.intervals import Objective, optimal_intervals, root_sum
from cprmodel.ordering.played import Played, play, play_intervals
from cprmodel.ordering.pls import expected_pls, interval_for_pls
from cprmodel.ordering.policies import POLICIES, PolicyLoss, Setting, predict
from cprmodel.ordering.schedule import Schedule, schedule
from cprmodel.ordering.unsaved import ORDERS, Unsaved, unsaved
from cprmodel.rows import Classes, Rows, rows_of, zipf_rows

__all__ = [
    "ORDERS",
    "POLICIES",
    "Classes",
    "Objective",
    "Played",
    "PolicyLoss",
    "Rows",
    "Schedule",
    "Setting",
    "Unsaved",
    "expected_pls",
    "interval_for_pls",
    "optimal_intervals",
    "play",
    "play_intervals",
    "predict",
    "root_sum",
    "rows_of",
    "schedule",
    "simulate",
    "unsaved",
    "zipf_rows",
]

if TYPE_CHECKING:
    from cprmodel.ordering.simulated import simulate


def __getattr__(name: str) -> Any:
    """The simulation of jobs, loaded when it is first used: it compiles kernels, which an order needs not."""
    if name != "simulate":
        raise AttributeError(f"module 'cprmodel.ordering' has no attribute {name!r}")
    return importlib.import_module("cprmodel.ordering.simulated").simulate
