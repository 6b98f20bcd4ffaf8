"""How long a job may take in a simulation, and how its runs are dealt out."""

from __future__ import annotations

import numpy as np

from cprmodel.facts.errors import JobError, Problem

__all__ = ["check_length", "most_failures", "never_ends", "sizes_of"]

#: A job expected to take more than this many times its work is refused.
LONGEST = 1000.0
#: ... as is one with more failures a run than this.
MOST_FAILURES = 1e7

#: A run with so many failures, and 30 times those expected, is taken to have no end.
MOST_IN_A_RUN = 10_000


def check_length(overhead: float, failures: float, reason: str) -> None:
    """JobError, with the reason, where a job of such an overhead and so many failures a run cannot be played."""
    if not overhead + 1 <= LONGEST or failures > MOST_FAILURES:
        raise JobError("job", [Problem("", "", f"a job that ends within {LONGEST:g} times its work ({reason})")])


def most_failures(expected: float) -> int:
    """Failures in a run with which it is taken to have no end."""
    return int(MOST_IN_A_RUN + 30 * expected)


def never_ends(limit: int) -> JobError:
    """A run came to so many failures."""
    reason = f"in a run {limit:,} failures came before its end"
    return JobError("job", [Problem("", "", f"a job that ends ({reason})")])


def sizes_of(runs: int, failures: float, events: float, most: int) -> list[int]:
    """Runs in batches of about so many events each, and of at most so many runs."""
    size = int(np.clip(events / (failures + 1), 16, most))
    return [size] * (runs // size) + ([runs % size] if runs % size else [])
