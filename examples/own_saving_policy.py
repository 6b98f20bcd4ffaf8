"""A saving policy of your own, priced, given its best interval and simulated.

Checkpoints are compressed before they are written: that takes time on the nodes, and spares time on the wire.
"""

from dataclasses import dataclass
from typing import ClassVar

from cprmodel import Exact, load_preset, simulate
from cprmodel.facts.strategies import Strategy


@dataclass(frozen=True)
class CompressedSave:
    """Training stops while a checkpoint is compressed and what is left of it is written."""

    raw_s: float  #: to write it as it is
    ratio: float  #: of it that is left
    compress_s: float  #: to compress it
    fraction: ClassVar[float] = 1.0  # each save takes everything

    @property
    def save_s(self) -> float:
        """Time a save blocks training [s]: what every model and the simulator ask for."""
        return self.compress_s + self.ratio * self.raw_s


job = load_preset("bloom-176b")
for policy in (CompressedSave(job.save_s, 1.0, 0.0), CompressedSave(job.save_s, 0.3, 6.0)):
    mix = job.failure_mix
    every_s = Exact().full_interval(job.with_costs(policy.save_s, mix)).interval_s
    strategy = Strategy("compressed", job.full_recovery, policy, every_s)
    overhead = Exact().cost(job, strategy).breakdown.total
    played = simulate(job, strategy, runs=4000, seed=1).overhead_fraction
    print(
        f"{policy.ratio:.0%} written: a save of {policy.save_s:.0f} s every {every_s:.0f} s, "
        f"overhead {overhead:.3%}, simulated {played.mean:.3%} ± {played.standard_error:.3%}"
    )
