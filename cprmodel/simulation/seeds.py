"""The random streams of a simulation, from what a user may give as its seed."""

from __future__ import annotations

import numpy as np

from cprmodel.facts.errors import JobError, Problem

__all__ = ["Seed", "sequence"]

Seed = int | np.random.SeedSequence | np.random.Generator


def sequence(seed: Seed) -> np.random.SeedSequence:
    """The seeds of all streams, from what a user may give."""
    if isinstance(seed, np.random.Generator):
        return np.random.SeedSequence([int(word) for word in seed.integers(2**32, size=8)])
    if isinstance(seed, np.random.SeedSequence):
        return np.random.SeedSequence(seed.entropy, spawn_key=seed.spawn_key, pool_size=seed.pool_size)
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise JobError(
            "simulate", [Problem("seed", repr(seed), "a whole number of at least 0, or NumPy's own seeds")]
        )
    return np.random.SeedSequence(int(seed))
