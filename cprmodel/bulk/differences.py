"""What the overhead of any job hangs on: it is planned anew with each number a little less, and a little more."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from cprmodel.bulk.keys import Key, keys_of
from cprmodel.bulk.rows import changed_job
from cprmodel.facts.errors import JobError
from cprmodel.jobs import Job

__all__ = ["LEFT_OUT", "slopes", "value_in"]

#: Each number is changed by this part of it: an order's loss is simulated, and tells no less apart.
_STEP, _STEP_SIMULATED = 0.01, 0.05

#: What are no numbers that a job could have a little more of.
LEFT_OUT = ("preset", "accuracy.model")


def slopes(
    job: Job, overhead: Callable[[Job], float | None], simulated: bool = False
) -> list[tuple[str, float, float]]:
    """Of each number of the job that is greater than 0: its key, its value, and d log(overhead)/d log of it.

    ``overhead``: of a job, the best that there is; None, or JobError, where there is none. Numbers that can only be
    whole, and those that have no neighbours, are left out.
    """
    data = job.model_dump(exclude_none=True)
    data.get("failures", {}).pop("shard_share", None)  # the rest of the other two
    step = _STEP_SIMULATED if simulated else _STEP
    found = []
    for key in dict.fromkeys(keys_of(job).values()):
        value = value_in(data, key)
        if key.integer or key.name.startswith(LEFT_OUT) or not value > 0:
            continue
        low, high = (_at(data, key, value * factor, overhead) for factor in (1 - step, 1 + step))
        if low and high and math.isfinite(low) and math.isfinite(high):
            slope = math.log(high / low) / math.log((1 + step) / (1 - step))
            found.append((key.name, value, slope))
    return found


def value_in(data: Any, key: Key) -> float:
    """The number in a job's dump; 0 where there is none."""
    for part in key.path:
        if isinstance(data, Mapping):
            data = data.get(part)
        elif isinstance(data, (list, tuple)):
            data = data[int(part)]
    return float(data) if isinstance(data, (int, float)) and not isinstance(data, bool) else 0.0


def _at(data: Any, key: Key, value: float, overhead: Callable[[Job], float | None]) -> float | None:
    try:
        return overhead(changed_job(data, {key: value}))
    except JobError:
        return None
