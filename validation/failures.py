"""What will be killed, and when: a plan made before the run, from a seed or by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from cprmodel.facts.strategies import FailureKind, FailureMix

__all__ = ["PHASES", "Failure", "draw_failures"]

#: Where in a step (or a save, or a recovery) a failure can strike.
PHASES = ("lookup", "update", "applied", "save", "recovery", "drain")


@dataclass(frozen=True)
class Failure:
    """One failure.

    ``at_step`` counts the steps that were executed, replayed ones too, so that it is a clock; ``at_s`` is time
    since training began. The phases: before the lookup of that step; between its lookup and its update; when
    that update is sent but not yet acknowledged; while the next checkpoint is being written; while shards load in
    the next recovery; while the next checkpoint is written in the background. ``stop``: the shards are not killed
    but stopped (SIGSTOP), and are found by the deadline. ``into``: one at a time waits until so large a share of a
    step has passed, unless it comes in a save or a stop; one in a recovery until so large a share of its reading
    has. Both as long as the last one was.
    """

    kind: FailureKind
    shards: tuple[int, ...] = ()
    at_step: int | None = None
    at_s: float | None = None
    phase: str = "lookup"
    stop: bool = False
    delay_s: float = 0.0  #: time to let the phase run before the signal
    into: float | None = None  #: share of a step, or of a reading, that passes before it
    node: bool = False  #: the machine of the first of the shards dies, with all that stands on it

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "kind": self.kind.value}


def draw_failures(
    mix: FailureMix,
    shards: int,
    horizon: float,
    seed: int | Sequence[int],
    *,
    in_steps: bool,
    phases: Sequence[str] = ("lookup", "update"),
) -> list[Failure]:
    """Exponential failures until the horizon (steps or seconds; ``mix.mtbf_s`` is in the same).

    Under recoveries a run lasts longer than its work: choose the horizon accordingly. Which shards: k distinct
    ones, all alike.
    """
    entropy = [seed] if isinstance(seed, int) else list(seed)
    rng = np.random.default_rng(np.random.SeedSequence([*entropy, 0xFA11]))
    kinds = list(FailureKind)
    shares = [mix.share(kind) for kind in kinds]
    few = int(mix.shards_per_failure)
    found: list[Failure] = []
    at = 0.0
    while True:
        at += mix.mtbf_s * rng.standard_exponential()
        if at > horizon:
            return found
        kind = kinds[int(rng.choice(len(kinds), p=shares))]
        count = few + int(rng.random() < mix.shards_per_failure - few)
        victims = tuple(sorted(int(i) for i in rng.choice(shards, size=count, replace=False)))
        phase = str(rng.choice(list(phases)))
        found.append(
            Failure(
                kind,
                victims if kind is FailureKind.SHARD else (),
                # the step that is under way at that time
                at_step=int(np.floor(at)) + 1 if in_steps else None,
                at_s=None if in_steps else float(at),
                phase=phase,
            )
        )
