"""What each rank of a job sees, on a clock of its own; run by test_torch.py as two processes, printed as JSON.

Each rank's steps last a minute by its clock. Rank 1's clock is an hour ahead.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from torch import distributed

from cprmodel import Job, JobError
from cprmodel.adaptors.torch import AdvisedRanks

PLAN: dict[str, Any] = {
    "job": {"work": "10000 h"},
    "failures": {"mtbf": "28 h"},
    "checkpoint": {"save": "4 min", "load": "4 min", "reschedule": "10 min"},
}
FOLDER = Path(sys.argv[-1])  # the only one; of pytest, which only looks for doctests here, any


class Clock:
    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def made(clock: Clock, name: str, job: Job, **options: Any) -> AdvisedRanks:
    return AdvisedRanks(job, "full", FOLDER / name, clock=clock, **options)


def main() -> None:
    distributed.init_process_group("gloo")
    rank = distributed.get_rank()
    found: dict[str, Any] = {"rank": rank}
    clock = Clock(3600.0 * rank)
    real, talks = distributed.all_reduce, 0

    def counted(*arguments: Any, **options: Any) -> Any:
        nonlocal talks
        talks += 1
        return real(*arguments, **options)

    distributed.all_reduce = counted

    job = Job.from_mapping(PLAN)
    ranks = made(clock, "a.json", job, notice_s=3600.0)
    due, said = [], []
    for step in range(1, 1001):
        clock.now += 60.0
        if ranks.step():
            due.append(step)
            clock.now += 240.0
            ranks.saved(240.0)
    found |= {"due": due, "talks": talks}

    # a notice comes to rank 1 alone, between two meetings
    for step in range(1, 200):
        clock.now += 60.0
        if step == 10 and rank == 1:
            ranks.warned(7200.0)
        if ranks.step():
            said.append(step)
            clock.now += 240.0
            ranks.saved(240.0)
            break
    found["noticed"] = said
    if ranks.advisor is not None:
        ranks.advisor.failed("whole_job", recovery_s=0.0)
        found["announced"] = ranks.advisor.seen.announced
    ranks.close()

    # a save in the background that fails, and the next one
    ranks = made(clock, "b.json", job, notice_s=60.0)
    tried, begun = [], []
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        for step in range(1, 400):
            clock.now += 60.0
            if ranks.step():
                begun.append(step)
                future: Future[None] = Future()
                ranks.save_started(30.0, future)
                tried.append(future)
            if len(tried) == 1 and step == begun[-1] + 3:
                tried[-1].set_exception(OSError("no space"))
            elif len(tried) > 1 and step == begun[-1] + 150:  # longer than an interval
                tried[-1].set_result(None)
    for future in tried[1:]:
        if not future.done():
            future.set_result(None)
    found |= {"begun": begun, "warned": [str(one.message) for one in heard]}
    ranks.close()
    if ranks.advisor is not None:
        seen = ranks.advisor.seen
        found |= {"void": seen.void, "drains": seen.drains}

    # what rank 0 refuses, all refuse; and a process that died is known on all
    other = Job.from_mapping({**PLAN, "checkpoint": {"save": "9 min"}, "cluster": {"trainers": 3}})
    try:
        made(clock, "a.json", other)
    except JobError as error:
        found["refused"] = str(error)
    made(clock, "c.json", job)
    found["interrupted"] = made(clock, "c.json", job).interrupted
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()
    distributed.destroy_process_group()
    os._exit(0)


if __name__ == "__main__":
    main()
