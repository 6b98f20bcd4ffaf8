"""A Monte-Carlo of checkpointed training: distributions, not only means."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_ROOMS = {
    "drifting": ("AtDriftingRate", "Drifting", "simulate_drifting"),
    "engine": ("simulate",),
    "laws": ("Exponential", "FailureLaw", "FailuresStrike", "Gamma", "LogNormal", "Replay", "Weibull"),
    "played": (
        "Activity",
        "AtRandom",
        "AtTimes",
        "GivenFailure",
        "Ledger",
        "Played",
        "SampleLedger",
        "Strikes",
        "play",
    ),
    "renewals": ("PlayedRenewals", "Share", "play_renewals"),
    "seeds": ("Seed", "sequence"),
    "result": ("Estimate", "Prediction", "Simulated"),
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}

__all__ = [
    "Activity",
    "AtDriftingRate",
    "AtRandom",
    "AtTimes",
    "Drifting",
    "Estimate",
    "Exponential",
    "FailureLaw",
    "FailuresStrike",
    "Gamma",
    "GivenFailure",
    "Ledger",
    "LogNormal",
    "Played",
    "PlayedRenewals",
    "Prediction",
    "Replay",
    "SampleLedger",
    "Seed",
    "Share",
    "Simulated",
    "Strikes",
    "Weibull",
    "play",
    "play_renewals",
    "sequence",
    "simulate",
    "simulate_drifting",
]

if TYPE_CHECKING:
    from cprmodel.simulation.drifting import AtDriftingRate, Drifting, simulate_drifting
    from cprmodel.simulation.engine import simulate
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
    from cprmodel.simulation.renewals import PlayedRenewals, Share, play_renewals
    from cprmodel.simulation.result import Estimate, Prediction, Simulated
    from cprmodel.simulation.seeds import Seed, sequence


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used: what plays no jobs need not wait for Numba."""
    if name not in _ROOM_OF:
        raise AttributeError(f"module 'cprmodel.simulation' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"cprmodel.simulation.{_ROOM_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
