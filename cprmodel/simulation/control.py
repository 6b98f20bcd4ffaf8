"""Means with less scatter: what follows the scatter of a run, and has a known expectation.

Under exponential failures the count of failures of a kind, less its rate times the time at risk, is a
martingale; so is the work that roll-backs took, less the rate times the integral of the work at stake.
Stopped at the end of the job their expectation is exactly 0 (optional stopping; the job ends almost surely
and has a finite mean). Subtracting a *constant* multiple of them from the time to train therefore changes
its mean by nothing, whatever the constant; the constants used make it nearly free of scatter. In the same way
the expected loss at each shard failure, k/N of the unsaved and unrestored samples, replaces the losses.
Quantiles are those of the plain runs.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cprmodel.simulation.setting import KINDS, Setting

__all__ = ["expected_losses", "time_control"]


def time_control(setting: Setting, column: dict[str, Any]) -> Any:
    """A multiple of martingales, hence of expectation 0, that follows the scatter of the time to train.

    Where failures take a large share of the time (a constant of the job) the control would scatter more than what
    it follows, and is not used.
    """
    rate = 1 / setting.mtbf
    mean_stop = setting.mean_stop()
    followed = np.zeros_like(column["time_s"])
    for kind, share, index in zip(KINDS, setting.shares, setting.stop_of_kind, strict=True):
        followed += mean_stop[index] * (column[kind.value] - share * rate * column["risk_s"])
    rolling = rate * (1.0 if setting.full else setting.shares[2])
    followed += column["rolled_s"] - rolling * column["stake_s2"]
    return followed / (1 - setting.pull())


def expected_losses(setting: Setting, column: dict[str, Any]) -> Any:
    """Expected losses: k/N of what is unsaved and unrestored at each failure, less what is replayed."""
    rate = 1 / setting.mtbf
    unsaved = setting.shards * column["stake_s2"] - column["stake_kept"]
    lost = setting.shares[0] * rate * setting.failed / setting.shards * unsaved
    return lost - setting.shares[2] * rate * column["stake_lost"]
