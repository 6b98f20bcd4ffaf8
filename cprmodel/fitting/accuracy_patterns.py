"""Whether the way in which samples are lost matters, at the same PLS (rules: :mod:`cprmodel.fitting.accuracy`)."""

from __future__ import annotations

import itertools

import numpy as np

from cprmodel.facts.errors import JobError, Problem
from cprmodel.fitting.accuracy_found import PatternDifference, Patterns, PatternSlope
from cprmodel.fitting.accuracy_line import scaled
from cprmodel.fitting.clusters import fit_clustered
from cprmodel.fitting.paired import Record

__all__ = ["compare_patterns"]

#: More patterns than this are not compared.
MOST_PATTERNS = 20


def compare_patterns(record: Record) -> Patterns | None:
    """A slope for each pattern, and all their differences; None where fewer than two are named."""
    names = record.patterns
    if len(names) < 2:
        return None
    if len(names) > MOST_PATTERNS:
        raise JobError(record.source, [Problem("pattern", f"{len(names)} names", f"at most {MOST_PATTERNS}")])
    named = Record(record.source, record.metric, tuple(run for run in record.runs if run.pattern in names))
    one = scaled(named)
    of = np.array([names.index(run.pattern or "") for run in named.runs])
    is_of = of[:, None] == np.arange(len(names))
    fit = fit_clustered(is_of * one.x[:, None], one.y, one.seeds)
    if fit is None:
        return None  # PLS of one pattern are nothing beside those of another
    axes = np.eye(len(names))
    slopes = tuple(
        PatternSlope(
            name,
            fit.estimate(axes[k]).times(one.slope),
            int(np.count_nonzero(of == k)),
            len(np.unique(one.seeds[(of == k) & (one.x > 0)])),
            float(one.x[of == k].max()) * one.pls,
        )
        for k, name in enumerate(names)
    )
    differences = tuple(
        PatternDifference(names[k], names[j], fit.estimate(axes[k] - axes[j]).times(one.slope))
        for k, j in itertools.combinations(range(len(names)), 2)
    )
    return Patterns(slopes, differences)
