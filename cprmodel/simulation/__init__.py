"""A Monte-Carlo of checkpointed training: distributions, not only means."""

from cprmodel.simulation.engine import Seed, sequence, simulate
from cprmodel.simulation.laws import Exponential, FailureLaw, FailuresStrike, Gamma, LogNormal, Replay, Weibull
from cprmodel.simulation.played import (
    Activity,
    AtRandom,
    AtTimes,
    GivenFailure,
    Ledger,
    Played,
    SampleLedger,
    Strikes,
    play,
)
from cprmodel.simulation.result import Estimate, Prediction, Simulated

__all__ = [
    "Activity",
    "AtRandom",
    "AtTimes",
    "Estimate",
    "Exponential",
    "FailureLaw",
    "FailuresStrike",
    "Gamma",
    "GivenFailure",
    "Ledger",
    "LogNormal",
    "Played",
    "Prediction",
    "Replay",
    "SampleLedger",
    "Seed",
    "Simulated",
    "Strikes",
    "Weibull",
    "play",
    "sequence",
    "simulate",
]
