r"""From a record of paired training runs to an accuracy model: drop = β·PLS, how sure, how far, for which losses.

All runs of a seed are compared with one failure-free run, so their drops go up and down together. Every interval
here takes the seed as the unit (:mod:`cprmodel.fitting.clusters`); all are two-sided at 90%, and their coverage is
measured in benchmarks/accuracy.py.

Slope
    Least squares through zero, for a run that lost nothing is its own failure-free run.
Noise
    Within a seed: residuals of one slope with a level for each seed. Of a run of another seed: that and the scatter
    of the levels, by analysis of variance, with Satterthwaite's degrees of freedom.
Bend
    drop = βx(1 + cx) by least squares in x = PLS and x²; the interval of the ratio c is Fieller's (1954), which has
    no bounds where β itself may be 0. The line holds within 10% while cx is within ±0.1 at the interval's worse
    end.
Patterns
    A slope for each, and the differences of all pairs. One slope for all is rejected when the least of their
    p-values, times the number of pairs (Bonferroni), is below 5%: a joint test needs more seeds than patterns.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from cprmodel.facts.errors import JobError, Problem
from cprmodel.fitting.accuracy_found import (
    AccuracyFit,
    Bend,
    HeldOut,
    Line,
    Noise,
    PatternDifference,
    Patterns,
    PatternSlope,
)
from cprmodel.fitting.accuracy_line import fit_bend, fit_line
from cprmodel.fitting.accuracy_patterns import compare_patterns
from cprmodel.fitting.paired import SMALLEST_PLS, Record

__all__ = [
    "AccuracyFit",
    "Bend",
    "HeldOut",
    "Line",
    "Noise",
    "PatternDifference",
    "PatternSlope",
    "Patterns",
    "fit_accuracy",
]


def fit_accuracy(record: Record, test_seeds: Sequence[int] | None = None) -> AccuracyFit:
    """Fit drop = β·PLS to a record, and test it on seeds it was not fitted to.

    The slope and its interval are those of all runs; the test is of a line fitted to the other seeds alone.

    Parameters
    ----------
    record : of paired runs, from :func:`~cprmodel.fitting.paired.read_record` or ``record_of_runs``
    test_seeds : for the test; default: every second one

    Examples
    --------
    >>> from cprmodel.fitting import PairedRun, record_of_runs
    >>> made = [PairedRun(seed=s, pls=p, drop=0.004 * p + 1e-5 * s) for s in (-1, 0, 1) for p in (0.1, 0.2)]
    >>> found = fit_accuracy(record_of_runs("made up", tuple(made)))
    >>> round(found.slope.value, 12), found.held_out.test_seeds
    (0.004, (0,))
    """
    line = fit_line(record)
    bend = fit_bend(record)
    held_out = _held_out(record, test_seeds)
    patterns = compare_patterns(record)
    return AccuracyFit(record, line, bend, held_out, patterns, tuple(_warnings(record, line, held_out, patterns)))


def _held_out(record: Record, test_seeds: Sequence[int] | None) -> HeldOut | None:
    seeds = record.seeds
    if test_seeds is None:
        test = seeds[1::2]
    else:
        test = tuple(sorted(set(test_seeds)))
        unknown = [seed for seed in test if seed not in seeds]
        known = _list(seeds)
        if unknown or not test:
            expected = f"seeds of the record ({known}), not {_list(unknown)}"
            raise JobError("--test-seeds", [Problem("", "", expected)])
    fitted = tuple(seed for seed in seeds if seed not in test)
    fit_record = record.of_seeds(fitted)
    if not any(run.pls >= SMALLEST_PLS for run in fit_record.runs):
        if test_seeds is not None:
            expected = f"to leave a seed that lost samples to fit, not all of {_list(test)}"
            raise JobError("--test-seeds", [Problem("", "", expected)])
        return None
    if not test:
        return None
    line, tested = fit_line(fit_record), record.of_seeds(test)
    pls, drops = tested.pls, tested.drops
    unit = float(np.max(np.abs([drops, line.slope.value * pls]))) or 1.0
    ranges = [line.prediction_interval(float(p)) for p in pls]
    inside = [
        limits[0] - 1e-9 * unit <= drop <= limits[1] + 1e-9 * unit
        for limits, drop in zip(ranges, drops, strict=True)
        if limits is not None
    ]
    return HeldOut(
        fitted,
        test,
        line,
        len(drops),
        unit * math.sqrt(float(np.mean(((drops - line.slope.value * pls) / unit) ** 2))),
        unit * math.sqrt(float(np.mean((drops / unit) ** 2))),
        sum(inside) / len(inside) if inside else None,
    )


def _list(values: Sequence[object]) -> str:
    return ", ".join(str(value) for value in values) or "none"


def _warnings(record: Record, line: Line, held_out: HeldOut | None, patterns: Patterns | None) -> list[str]:
    said = []
    seeds = len(record.seeds)
    interval = line.slope.interval_90
    if seeds == 1:
        said.append("one seed alone: nothing tells what another would lose, so there is no interval and no test")
    elif seeds < 3:
        said.append(f"{seeds} seeds are few: intervals are wide and rest on one difference; train at least 3")
    if seeds > 1 and interval is None:
        said.append("one seed alone lost samples: there is no interval")
    if line.slope.value <= 0:
        what = "negative" if line.slope.value < 0 else "0"
        said.append(f"the slope is {what}: by this record lost samples cost no accuracy, and no job can use it")
    if interval is not None and interval[0] <= 0 <= interval[1]:
        said.append("the slope's 90% interval contains 0: the record does not show that lost samples cost accuracy")
    if held_out is not None and held_out.rmse >= held_out.rmse_no_drop:
        said.append("on the test seeds the line is no better than saying that nothing is lost")
    if patterns is not None:
        without = sum(not run.pattern for run in record.runs if run.pls > 0)
        if without:
            said.append(f"{without} runs without a pattern are left out where patterns are compared")
        if patterns.differ:
            said.append(
                "PLS alone does not decide: the slope depends on the pattern of the losses; fit the pattern "
                "that your job will see (--pattern)"
            )
            reach = [one.largest_pls for one in patterns.slopes]
            if max(reach) > 2 * min(reach):
                said.append(
                    "the patterns reach different PLS: a line that bends would look like patterns that differ"
                )
    return said
