"""What a soak does, drawn from a seed: small cases, and failures of every sort a few steps apart."""

from __future__ import annotations

from typing import Any

from cprmodel.facts.strategies import FailureKind
from validation.case import Case
from validation.failures import PHASES, Failure
from validation.sections import ORDERS

__all__ = ["SHARDS", "STEPS", "drawn_case", "drawn_failures"]

KILLS_A_RUN = 25
SHARDS = 4
STEPS, INTERVAL = 120, 6
#: What an advisor begins with: saves every 0.2 s, some five steps.
_ADVISED = {
    "job": {"work": "10 s"},
    "cluster": {"embedding_shards": SHARDS},
    "failures": {"mtbf": "1 s"},
    "checkpoint": {"save": "10 ms", "load": "10 ms", "reschedule": "10 ms"},
    "accuracy": {"pls_budget": 0.1},
}


def drawn_case(rng: Any, advised: bool = False) -> Case:
    """A run of a few seconds: an advisor chooses its saves, or they drain, rotate, or take some rows first."""
    saving: dict[str, Any] = {"advised": _ADVISED, "advice": "a job"} if advised else {"interval_steps": INTERVAL}
    recovery = str(rng.choice(["partial", "full"], p=[0.7, 0.3]))
    saves: dict[str, Any] = {"compact_after": int(rng.integers(0, 5))}
    if not advised and rng.random() < 0.5:  # written for some steps
        saves |= {"background": True, "bandwidth": f"{rng.uniform(100, 1000):.0f} kB/s"}
    if not advised and recovery == "partial" and rng.random() < 0.5:
        saving |= {"order": str(rng.choice(ORDERS)), "fraction": float(rng.choice([1.0, 0.5]))}
    if not advised and recovery == "full" and rng.random() < 0.5:
        saving |= {"rotate": int(rng.integers(1, SHARDS + 1))}
    return Case.from_mapping(
        {
            "data": {"samples": STEPS * 32, "batch_size": 32, "test_samples": 64, "seed": int(rng.integers(1000))},
            "model": {
                "num_embeddings": [700, 40, 3],
                "embedding_dim": 4,
                "dense_arch": [8],
                "over_arch": [8],
            },
            "shards": {"count": SHARDS},
            "training": {
                "device": "cpu",
                "evaluate": False,
                "seed": int(rng.integers(1000)),
                "embedding_optimizer": str(rng.choice(["rowwise_adagrad", "sgd"])),
            },
            "strategy": {
                "recovery": recovery,
                **saving,
            },
            "checkpoint": saves,
            "timeouts": {"shard": "0.7 s", "start": "10 s"},
            "journal": True,
        }
    )


def drawn_failures(rng: Any) -> list[Failure]:
    """Failures a few steps apart, of every sort."""
    found = []
    at = 1
    last: tuple[int, ...] = (0,)
    for _ in range(KILLS_A_RUN):
        at += int(rng.geometric(1 / 5))
        kind = rng.choice(list(FailureKind), p=[0.9, 0.07, 0.03])
        victims: tuple[int, ...] = ()
        if kind is FailureKind.SHARD:
            count = int(rng.choice([1, 2, SHARDS], p=[0.75, 0.22, 0.03]))
            victims = tuple(sorted(int(i) for i in rng.choice(SHARDS, count, replace=False)))
            victims = last if rng.random() < 0.2 else victims  # the same again
            last = victims
        phase = str(rng.choice(list(PHASES), p=[0.2, 0.2, 0.2, 0.15, 0.15, 0.1]))
        stop = kind is FailureKind.SHARD and rng.random() < 0.05
        delay = float(rng.choice([0.0, rng.random() * 2e-3])) if phase in ("save", "drain", "recovery") else 0.0
        found.append(Failure(kind, victims, at_step=at, phase=phase, stop=stop, delay_s=delay))
    return found
