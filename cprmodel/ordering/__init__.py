"""What to save first under a bandwidth budget: the best fixed intervals, what each order loses, and a schedule."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cprmodel.facts.lazy import loaded_when_used
from cprmodel.facts.strategies import ORDERS
from cprmodel.ordering import kind as _registered  # noqa: F401 (how planning deals with orders)

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
    from cprmodel.ordering.intervals import Objective, optimal_intervals, root_sum
    from cprmodel.ordering.played import Played, play, play_intervals
    from cprmodel.ordering.pls import expected_pls, interval_for_pls
    from cprmodel.ordering.policies import POLICIES, PolicyLoss, Setting, predict
    from cprmodel.ordering.simulated import simulate
    from cprmodel.ordering.slots import Schedule, schedule
    from cprmodel.ordering.stale import Unsaved, unsaved
    from cprmodel.rows import Classes, Rows, rows_of, zipf_rows

_WHERE = {
    "intervals": ("Objective", "optimal_intervals", "root_sum"),
    "played": ("Played", "play", "play_intervals"),
    "pls": ("expected_pls", "interval_for_pls"),
    "policies": ("POLICIES", "PolicyLoss", "Setting", "predict"),
    "slots": ("Schedule", "schedule"),
    "simulated": ("simulate",),
    "stale": ("Unsaved", "unsaved"),
}
_ROWS = ("Classes", "Rows", "rows_of", "zipf_rows")

#: A plan of a job without orders needs none of these, and ``simulate`` compiles kernels.
__getattr__ = loaded_when_used(
    __name__,
    {name: f"{__name__}.{module}" for module, names in _WHERE.items() for name in names}
    | dict.fromkeys(_ROWS, "cprmodel.rows"),
)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
