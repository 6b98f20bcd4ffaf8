"""How long each command takes, as whole processes, in units of `cprmodel plan examples/production-dlrm.toml`.

Each round runs the unit and every command once; a command's ratio is the median over the rounds of its time over
the unit's in the same round. Two ratios are printed: of processor time (user and system, children included), which
a busy machine hardly changes and which decides, and of elapsed time. A command that uses several cores takes more
of the first than of the second. Compiled kernels come from their cache but for the row that says "nothing cached".
In a process that runs, a plan takes so much processor time, as it would on an idle core.

Run: python benchmarks/latency.py [ROUNDS] [WORDS that a row's name must hold ...]
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"
JOB, FLEET, STORAGE, ORDERED = (
    str(EXAMPLES / f"{name}.toml") for name in ("production-dlrm", "fleet", "storage", "ordered-saves")
)
ROUNDS = 5
UNIT = "plan"
#: How many times something is done in a process that runs, and rows that are planned at once.
TIMES, MANY = 9, 512


@dataclass(frozen=True)
class Row:
    """A command, and its limit in units: of itself, or beyond what another row takes."""

    name: str
    arguments: tuple[str, ...]
    limit: float
    over: str = ""
    cold: bool = False  #: with an empty cache of compiled kernels


@dataclass(frozen=True)
class Taken:
    """Seconds of one process."""

    processor: float
    elapsed: float


def rows(folder: Path) -> list[Row]:
    """All commands, with their files in a folder."""
    five, trace = str(folder / "five-levels.toml"), str(folder / "trace.csv")
    Path(five).write_text(five_levels(), encoding="utf-8")
    times = np.random.default_rng(1).exponential(28.0, 600)
    Path(trace).write_text("hours\n" + "\n".join(f"{one:.4f}" for one in times) + "\n", encoding="utf-8")
    record, shards = str(EXAMPLES / "accuracy-record.csv"), str(EXAMPLES / "shards.csv")
    order = ("order", shards, "--budget", "2 GB/s")
    few = ("--runs", "2000")
    found = [
        Row("plan, exact", ("plan", JOB, "--model", "exact"), 1.5),
        Row("plan, fleet", ("plan", FLEET), 1.5),
        Row("fit, 600 times", ("fit", trace, "--unit", "h"), 1.5),
        Row("regret", ("regret", JOB, "--mtbf-error", "4", "--observed-failures", "10"), 1.5),
        Row("accuracy", ("accuracy", record), 1.5),
        Row("plan, three levels", ("plan", STORAGE), 2.5),
        Row("plan, orders", ("plan", ORDERED), 2.5),
        Row("plan, orders, exact", ("plan", ORDERED, "--model", "exact"), 2.5),
        Row("order", order, 2.5),
        Row("simulate, 10,000 runs", ("simulate", JOB, "--runs", "10000"), 2.5),
        Row("plan, five levels", ("plan", five), 5),
        Row("simulate, three levels", ("simulate", STORAGE, *few), 5),
        Row("simulate, orders", ("simulate", ORDERED, "--strategy", "partial-update-age", *few), 5),
    ]
    reported = [*(one for one in found if one.name != "regret"), Row(UNIT, ("plan", JOB), 1)]
    page = str(folder / "page.html")
    found += [Row(f"{one.name}, report", (*one.arguments, "--report", page), 1, over=one.name) for one in reported]
    found += [
        Row("plan, explained", ("plan", JOB, "--explain"), 1, over=UNIT),
        Row("whatif", ("whatif", JOB, "-o", page), 1, over=UNIT),
        Row("whatif, orders", ("whatif", ORDERED, "-o", page), 5),
        Row("simulate, 10,000 runs, nothing cached", ("simulate", JOB, "--runs", "10000"), np.inf, cold=True),
    ]
    return found


def five_levels() -> str:
    """Storage of five levels that leaves open how many saves go to each."""
    head = Path(STORAGE).read_text(encoding="utf-8").partition("[[checkpoint.level]]")[0]
    levels = [(200, 0.5), (80, 0.7), (40, 0.8), (20, 0.95)]
    tables = [
        f'[[checkpoint.level]]\nname = "level-{i}"\nbandwidth = "{rate} GB/s"\nsurvives = {share}\n'
        for i, (rate, share) in enumerate(levels)
    ]
    last = '[[checkpoint.level]]\nname = "remote"\nsave = "5 s"\nsave_shrinks = false\nload = "4 min"\n'
    return "\n".join([head, *tables, last, "[accuracy]\npls_budget = 0.01\n"])


def run(arguments: tuple[str, ...], cache: Path | None = None) -> Taken:
    """One process from start to end, with what its children take."""
    environment = os.environ | ({"NUMBA_CACHE_DIR": str(cache)} if cache else {})
    with tempfile.TemporaryFile() as said:
        begin = time.perf_counter()
        child = subprocess.Popen(
            [sys.executable, "-m", "cprmodel", *arguments],
            stdout=subprocess.DEVNULL,
            stderr=said,
            cwd=ROOT,
            env=environment,
        )
        _, status, used = os.wait4(child.pid, 0)
        elapsed = time.perf_counter() - begin
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            said.seek(0)
            raise SystemExit(f"cprmodel {' '.join(arguments)}: {said.read().decode(errors='replace')}")
    return Taken(used.ru_utime + used.ru_stime, elapsed)


def measure(table: list[Row], rounds: int, folder: Path) -> dict[str, list[Taken]]:
    """Every command once a round, the unit among them; a first round fills the caches."""
    taken: dict[str, list[Taken]] = {UNIT: [], **{one.name: [] for one in table}}
    for number in range(rounds + 1):
        for name, arguments, cold in [(UNIT, ("plan", JOB), False)] + [
            (one.name, one.arguments, one.cold) for one in table
        ]:
            if cold and not number:
                continue
            cache = folder / "numba" if cold else None
            one = run(arguments, cache)
            if cache is not None:
                shutil.rmtree(cache, ignore_errors=True)
            if number:
                taken[name].append(one)
    return taken


def ratio(taken: dict[str, list[Taken]], one: Row, of: Callable[[Taken], float]) -> float:
    """The median of a command's times in units, less those of the row it stands over."""
    units = [of(each) for each in taken[UNIT]]
    other = [of(each) for each in taken[one.over]] if one.over else [0.0] * len(units)
    own = [of(each) for each in taken[one.name]]
    return statistics.median((a - b) / unit for a, b, unit in zip(own, other, units, strict=True))


def in_process(wanted: Callable[[str], bool]) -> list[tuple[str, float, float]]:
    """What a plan takes where the package is loaded, with its limit [s of processor time]."""
    from cprmodel import Exact, SteadyState, load_job, plan, plan_many

    job, storage = load_job(JOB), load_job(STORAGE)
    vary = {"failures.mtbf": np.geomspace(2e4, 4e5, MANY)}
    found: list[tuple[str, Callable[[], object], float]] = [
        ("plan(job)", lambda: plan(job), 0.005),
        ("plan(job, Exact())", lambda: plan(job, Exact()), 0.025),
        ("plan of three levels, SteadyState()", lambda: plan(storage, SteadyState()), 0.3),
    ]
    rows: list[tuple[str, Callable[[], object], float]] = [
        ("plan_many, exact, a row", lambda: plan_many(job, vary, Exact(), workers=1), 5.3e-3 / 100),
        ("plan_many, steady state, a row", lambda: plan_many(job, vary, SteadyState(), workers=1), 17e-3 / 20),
        ("plan_many, three levels, a row", lambda: plan_many(storage, vary, workers=1), 17e-3 / 20),
    ]
    taken = [(name, processor_time(action), limit) for name, action, limit in found if wanted(name)]
    many = [(name, processor_time(action) / MANY, limit) for name, action, limit in rows if wanted(name)]
    return taken + many


def processor_time(action: Callable[[], object]) -> float:
    """The median time of something that is done again and again, without what the first time fills."""
    action()
    taken = []
    for _ in range(TIMES):
        begin = time.process_time()
        action()
        taken.append(time.process_time() - begin)
    return statistics.median(taken)


def verdict(value: float, limit: float) -> str:
    if limit == np.inf:
        return "not held"
    return "met" if value <= limit else "MISSED"


def main() -> int:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    words = sys.argv[2:]

    def wanted(name: str) -> bool:
        return not words or any(word in name for word in words)

    missed = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        table = [one for one in rows(folder) if wanted(one.name)]
        present = {one.name for one in table}
        table += [one for one in rows(folder) if one.name in {row.over for row in table} - present - {UNIT}]
        taken = measure(table, rounds, folder)
    unit = statistics.median(one.processor for one in taken[UNIT])
    print(f"the unit takes {unit:.2f} s of processor time; load of the machine {os.getloadavg()[0]:.1f}")
    print(f"{'units':44}{'processor':>10}{'elapsed':>10}{'limit':>8}")
    for one in table:
        found = ratio(taken, one, lambda each: each.processor)
        elapsed = ratio(taken, one, lambda each: each.elapsed)
        said = verdict(found, one.limit)
        missed += said == "MISSED"
        sign = "+" if one.over else ""
        print(f"{one.name:44}{f'{sign}{found:.2f}':>10}{f'{sign}{elapsed:.2f}':>10}{one.limit:>8g}  {said}")
    for what, seconds, limit in in_process(wanted):
        said = verdict(seconds, limit)
        missed += said == "MISSED"
        print(f"{what:44}{1e3 * seconds:>17.3g} ms{1e3 * limit:>6.3g} ms  {said}")
    print(f"{missed} limits missed" if missed else "all limits met")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
