"""The advisor against the best fixed interval, where the plan's MTBF is ten times wrong; and what a step costs.

Each job is played by a small event loop that shares no code with the package: work in steps, saves, exponential
failures (also during saves and recoveries), under full recovery. It asks a real :class:`cprmodel.Advisor` through
its public methods, with a clock of its own. Fixed intervals are played on the same failure times, and the best is
that with the least overhead over all jobs together. (The best for each job alone would be the luckiest: its saves
lie well before that job's failures. It is reported too.)

Held to: over 200 jobs of 200 failures, an overhead over the last half within 2% of the best fixed interval's, with
a plan ten times too short and ten times too long, for C/μ of 0.001, 0.01 and 0.1; 2 µs a step in one process; and
20 µs a step and rank where two ranks ask over gloo (steps of 1, 10 and 100 ms, a save about every ten seconds).
Reported: the first 20 failures, and (--weights) what other weights of the plan would give there.

Run: python benchmarks/advisor.py [--weights | --steps]
"""

from __future__ import annotations

import json
import os
import random
import statistics
import subprocess
import sys
import timeit
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

from cprmodel import Advisor, Checkpoint, Failures, Job, Work
from cprmodel.advising import learning

JOBS, FAILURES, EARLY = 200, 200, 20
SAVES = (0.001, 0.01, 0.1)  # C/μ
WRONG = (0.1, 10.0)
MTBF_S = 100_000.0
LIMIT, STEP_LIMIT_S, RANK_LIMIT_S = 0.02, 2e-6, 20e-6
#: Fixed intervals that are tried, as multiples of √(2Cμ).
FIXED = tuple(0.5 * 1.08**n for n in range(20))


@dataclass
class Played:
    """Work that was saved when each failure struck, and when that was [s]."""

    failed_at: list[float]
    saved: list[float]

    def between(self, first: int, last: int) -> tuple[float, float]:
        """Time and useful work from the first-th failure to the last-th."""
        begin = (self.failed_at[first - 1], self.saved[first - 1]) if first else (0.0, 0.0)
        return self.failed_at[last - 1] - begin[0], self.saved[last - 1] - begin[1]


def failure_times(seed: int, count: int, mtbf: float) -> list[float]:
    rng = random.Random(seed)
    times, now = [], 0.0
    for _ in range(count):
        now += rng.expovariate(1 / mtbf)
        times.append(now)
    return times


def play_advised(times: list[float], save: float, stop: float, step: float, make: Callable[..., Advisor]) -> Played:
    """A job that asks an advisor after each step. The failure times end it."""
    now = saved = 0.0
    advisor = make(clock=lambda: now)
    marks: list[float] = []
    work = 0.0
    at = 0  # the next failure

    def fail() -> bool:
        """Failures until one stop is left alone; False when they have run out."""
        nonlocal now, at, work
        begin = now
        while at < len(times):
            now = times[at]
            marks.append(saved)
            at += 1
            if at < len(times) and times[at] <= now + stop:
                advisor.failed("whole_job", lost_s=work, recovery_s=times[at - 1] - begin)
                work, begin = 0.0, now
                continue
            begin, now = now, now + stop
            advisor.failed("whole_job", lost_s=work, recovery_s=stop)
            work = 0.0
            return at < len(times)
        return False

    going = True
    while going:
        if now + step > times[at]:
            work += times[at] - now
            now = times[at]
            going = fail()
            continue
        now += step
        work += step
        if not advisor.step():
            continue
        if now + save > times[at]:  # a void save
            now = times[at]
            going = fail()
            continue
        now += save
        saved += work
        work = 0.0
        advisor.saved(save)
    return Played(times, marks)


def play_fixed(times: list[float], save: float, stop: float, step: float, steps: int) -> Played:
    """The same with a save after every so many steps."""
    work, marks = steps * step, []
    saved, now, at = 0.0, 0.0, 0
    while at < len(times):
        whole = int((times[at] - now) // (work + save))  # saves that end before the failure
        saved += whole * work
        while at < len(times):
            now = times[at]
            marks.append(saved)
            at += 1
            if at == len(times) or times[at] > now + stop:
                now += stop
                break
    return Played(times, marks)


def planned(save: float, wrong: float, work: float) -> Job:
    return Job(
        job=Work(work_s=work),
        failures=Failures(mtbf_s=MTBF_S * wrong),
        checkpoint=Checkpoint(save_s=save, load_s=save / 2, reschedule_s=save / 2),
    )


def one_job(arguments: tuple[int, float, tuple[float, ...], tuple[float, ...], int]) -> dict[str, list[Played]]:
    """One job of a seed: advised for each wrong plan and weight, and with each fixed interval."""
    seed, share, wrongs, weights, failures = arguments
    save = share * MTBF_S
    young = (2 * save * MTBF_S) ** 0.5
    step = min(save, young / 25)
    times = failure_times(seed, failures, MTBF_S)
    found: dict[str, list[Played]] = {
        "fixed": [play_fixed(times, save, save, step, max(1, round(x * young / step))) for x in FIXED]
    }
    for weight in weights:
        learning.PRIOR_FAILURES = weight
        for wrong in wrongs:
            job = planned(save, wrong, 1e9)
            name = f"{weight:g} {wrong:g}"
            found[name] = [
                play_advised(
                    times, save, save, step, lambda clock, job=job: Advisor(job, "full", None, clock=clock)
                )
            ]
    return found


def overhead(played: list[Played], first: int, last: int) -> float:
    """Of all jobs together."""
    spans = [one.between(first, last) for one in played]
    return sum(time for time, _ in spans) / sum(work for _, work in spans) - 1


#: Of each job: "fixed", and each advisor's name.
Runs = list[dict[str, list[Played]]]


@dataclass
class Result:
    """Overheads over some of the failures."""

    advised: float
    best: float
    best_at: int
    excess: list[float]  #: of each job over the same fixed interval, as a share of the best's mean overhead
    lucky: float  #: mean over the jobs of the least overhead that any fixed interval had


def compare(runs: Runs, name: str, first: int, last: int) -> Result:
    fixed = [overhead([run["fixed"][n] for run in runs], first, last) for n in range(len(FIXED))]
    at = min(range(len(FIXED)), key=fixed.__getitem__)
    best = fixed[at]
    each = []
    lucky = []
    for run in runs:
        own = overhead([run[name][0]], first, last)
        each.append((own - overhead([run["fixed"][at]], first, last)) / best)
        lucky.append(own / min(overhead([one], first, last) for one in run["fixed"]) - 1)
    advised = overhead([run[name][0] for run in runs], first, last)
    return Result(advised, best, at, each, statistics.fmean(lucky))


def study(jobs: int, share: float, wrongs: tuple[float, ...], weights: tuple[float, ...], failures: int) -> Runs:
    tasks = [(seed, share, wrongs, weights, failures) for seed in range(jobs)]
    with ProcessPoolExecutor() as pool:
        return list(pool.map(one_job, tasks, chunksize=5))


def against_fixed() -> int:
    """Print a row for each setting; how many miss."""
    missed = 0
    print(f"{JOBS} jobs of {FAILURES} failures, full recovery; overhead against the best fixed interval's")
    print("                    last half                                   first 20                  last half,")
    print("   C/μ    plan's μ    best  advised   excess  (SD a job)   best  advised   excess   luckiest fixed")
    for share in SAVES:
        runs = study(JOBS, share, WRONG, (learning.PRIOR_FAILURES,), FAILURES)
        for wrong in WRONG:
            name = f"{learning.PRIOR_FAILURES:g} {wrong:g}"
            late, early = compare(runs, name, FAILURES // 2, FAILURES), compare(runs, name, 0, EARLY)
            excess = late.advised / late.best - 1
            missed += excess > LIMIT
            print(
                f"{share:6g} {wrong:5g} times {late.best:7.2%} {late.advised:8.2%} {excess:+8.2%} "
                f"({statistics.stdev(late.excess):5.1%}) {early.best:8.2%} {early.advised:8.2%} "
                f"{early.advised / early.best - 1:+8.1%} {late.lucky:+8.1%}",
                flush=True,
            )
    print(f"last half within {LIMIT:.0%} of the best fixed interval: {'NO' if missed else 'yes'}")
    return missed


def compare_weights() -> None:
    """Print, for weights of the plan, the excess over the first 20 failures."""
    weights, wrongs = (0.1, 0.25, 0.5, 1.0, 2.0), (0.1, 1 / 3, 1.0, 3.0, 10.0)
    print(f"excess over the best fixed interval in the first {EARLY} failures, {JOBS} jobs")
    for share in SAVES:
        runs = study(JOBS, share, wrongs, weights, EARLY)
        shown = ", ".join(f"{wrong:.2g}" for wrong in wrongs)
        print(f"C/μ = {share:g}; the plan's MTBF is {shown} times the true one")
        for weight in weights:
            found = [compare(runs, f"{weight:g} {wrong:g}", 0, EARLY) for wrong in wrongs]
            shown = "".join(f"{one.advised / one.best - 1:+9.1%}" for one in found)
            print(f"  weight {weight:4g} {shown}", flush=True)


def step_cost() -> int:
    """Print what a step costs; 1 where it is too much."""
    advisor = Advisor(planned(100.0, 1.0, 1e9), "full", None)
    number = 200_000

    def seconds(action: Callable[[], object]) -> float:
        return min(timeit.repeat(action, number=number, repeat=9)) / number

    nothing = seconds(lambda: None)
    stepped = seconds(lambda: (advisor.step(), advisor.should_save())) - nothing
    bare = seconds(timeit.default_timer)
    good = stepped <= STEP_LIMIT_S
    print(
        f"step() and should_save() together: {stepped * 1e9:.0f} ns, {stepped / bare:.1f} times reading the clock; "
        f"at most {STEP_LIMIT_S * 1e9:.0f} ns: {'yes' if good else 'NO'}"
    )
    save = seconds_of_save(advisor)
    print(f"saved(), with a new interval and no file: {save * 1e6:.0f} µs")
    return 0 if good else 1


def seconds_of_save(advisor: Advisor) -> float:
    return min(timeit.repeat(lambda: advisor.saved(100.0), number=500, repeat=5)) / 500


#: What each of two ranks runs: the time that it spends in step(), and that of a broadcast in each step. Medians of
#: steps with a meeting and of steps without, so that what other processes do to single ones does not count.
RANK = """
import json, statistics, sys, time
from torch import distributed
from cprmodel import Job
from cprmodel.adaptors.torch import AdvisedRanks
distributed.init_process_group("gloo")
step_s, steps = float(sys.argv[1]), int(sys.argv[2])
job = Job.from_mapping({"job": {"work": "10 h"}, "failures": {"mtbf": "5000 s"},
    "checkpoint": {"save": "10 ms", "load": "10 ms", "reschedule": "1 s"}})
ranks, spent, saves = AdvisedRanks(job, "full", None), {True: [], False: []}, 0
talks, real = 0, distributed.all_reduce
def counted(*arguments, **options):
    global talks
    talks += 1
    return real(*arguments, **options)
distributed.all_reduce = counted
def act(ask):
    distributed.barrier()
    begin = time.perf_counter()
    answer = ask()
    return answer, time.perf_counter() - begin
for number in range(steps):
    time.sleep(step_s)
    before = talks
    due, took = act(ranks.step)
    if number:  # the first one connects
        spent[talks > before].append(took)
    if due:
        saves += 1
        ranks.saved(0.01)
told = [False]
def everybody():
    distributed.broadcast_object_list(told, src=0)
each = statistics.median(act(everybody)[1] for _ in range(50))
met = statistics.median(spent[True]) * len(spent[True])
alone = statistics.median(spent[False]) * len(spent[False])
print(json.dumps([(met + alone) / (steps - 1), saves, each, talks]))
distributed.destroy_process_group()
"""


def ranks_cost() -> int:
    """Print what a step costs each of two ranks; how many settings are too dear."""
    missed = 0
    for step_s, steps in ((0.001, 10_000), (0.01, 1500), (0.1, 200)):
        began = []
        for rank in range(2):
            given = {"RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29763"}
            command = [sys.executable, "-c", RANK, str(step_s), str(steps)]
            began.append(subprocess.Popen(command, env={**os.environ, **given}, stdout=subprocess.PIPE, text=True))
        found = [json.loads(one.communicate(timeout=300)[0]) for one in began]
        dearest, saves, each = max(one[0] for one in found), found[0][1], max(one[2] for one in found)
        good = dearest <= RANK_LIMIT_S
        missed += not good
        print(
            f"two ranks, steps of {step_s * 1e3:g} ms, {saves} saves in {steps}, {found[0][3]} meetings: "
            f"{dearest * 1e6:.1f} µs a step and rank; a broadcast in each would take {each * 1e6:.0f} µs; "
            f"at most {RANK_LIMIT_S * 1e6:.0f} µs: {'yes' if good else 'NO'}",
            flush=True,
        )
    return missed


def main() -> int:
    missed = step_cost() + ranks_cost()
    if "--steps" in sys.argv:
        return 1 if missed else 0
    if "--weights" in sys.argv:
        compare_weights()
        return missed
    return 1 if against_fixed() + missed else 0


if __name__ == "__main__":
    sys.exit(main())
