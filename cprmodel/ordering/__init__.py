"""What to save first under a bandwidth budget: optimal intervals, what each order loses, and a schedule."""

from cprmodel.ordering.intervals import Objective, optimal_intervals, root_sum
from cprmodel.ordering.played import Played, play, play_intervals
from cprmodel.ordering.policies import POLICIES, PolicyLoss, Setting, predict
from cprmodel.ordering.rows import Classes, Rows, rows_of, zipf_rows
from cprmodel.ordering.schedule import Schedule, schedule

__all__ = [
    "POLICIES",
    "Classes",
    "Objective",
    "Played",
    "PolicyLoss",
    "Rows",
    "Schedule",
    "Setting",
    "optimal_intervals",
    "play",
    "play_intervals",
    "predict",
    "root_sum",
    "rows_of",
    "schedule",
    "zipf_rows",
]
