"""A log of your own, from nothing to a plan: lines that no reader knows, as interruptions, as a fit, as a job.

The log is of a launcher that writes when it starts a job, when it has to start it again, and when it stops.
"""

import re
from datetime import datetime

from cprmodel import Job, JobError, plan
from cprmodel.facts.errors import Problem
from cprmodel.fitting import analyse, trace_of_times
from cprmodel.fitting.trace import Trace

LOG = """\
2026-03-01T08:00:00 launcher: start run-7 on 64 nodes
2026-03-02T01:12:40 launcher: restart run-7 (node n0123 lost)
2026-03-02T19:40:03 launcher: restart run-7 (NCCL timeout)
2026-03-04T06:31:55 launcher: restart run-7 (node n0040 lost)
2026-03-05T22:05:10 launcher: restart run-7 (node n0077 lost)
2026-03-07T03:44:29 launcher: restart run-7 (out of memory)
2026-03-08T08:00:00 launcher: stop run-7
"""

_LINE = re.compile(r"^(\S+) launcher: (start|restart|stop) ")


def read_launcher(text: str, source: str) -> Trace:
    """The interruptions of one job between its start and its stop; JobError names the line that is wrong."""
    moments: dict[str, list[datetime]] = {"start": [], "restart": [], "stop": []}
    for number, line in enumerate(text.splitlines(), start=1):
        found = _LINE.match(line)
        if found is None:
            raise JobError(source, [Problem(f"line {number}", f'"{line[:40]}"', "a line of the launcher")])
        try:
            moments[found[2]].append(datetime.fromisoformat(found[1]))
        except ValueError:
            raise JobError(source, [Problem(f"line {number}", f'"{found[1]}"', "a moment")]) from None
    if len(moments["start"]) != 1 or len(moments["stop"]) != 1:
        raise JobError(source, [Problem("", "", "one start and one stop")])
    (start,), (stop,) = moments["start"], moments["stop"]
    after = [(one - start).total_seconds() for one in moments["restart"]]
    return trace_of_times(source, after, (stop - start).total_seconds())


if __name__ == "__main__":
    found = analyse(read_launcher(LOG, "launcher.log"))
    print(found)
    job = Job.from_mapping(
        {
            "job": {"work": "21 d"},
            "failures": {"fit": found.to_dict()},
            "checkpoint": {"save": "4 min", "reschedule": "10 min"},
        }
    )
    print(plan(job))
    try:
        read_launcher(LOG + "2026-03-08T09:00:00 kernel: panic\n", "launcher.log")
    except JobError as error:
        print(error)
