"""A saving policy of your own: in plans beside the others, with its best interval, and simulated.

Checkpoints are compressed before they are written: that takes time on the nodes, and spares time on the wire.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from cprmodel import Exact, Job, load_preset, plan, simulate
from cprmodel.costing import Choice, Cost, CostModel
from cprmodel.costing.kinds import Candidate, register
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


class Compression:
    """What planning asks of it: which strategies there are, and the interval, the cost and a remark of each."""

    def __init__(self, ratio: float, compress_s: float) -> None:
        self.ratio, self.compress_s = ratio, compress_s

    def candidates(self, job: Job) -> tuple[list[Candidate], list[str]]:
        saving = CompressedSave(job.save_s, self.ratio, self.compress_s)
        return [Candidate("full-compressed", job.full_recovery, saving)], []

    def choose(self, job: Job, model: CostModel, strategy: Strategy, budget: float | None) -> Choice:
        return model.full_interval(job.with_costs(strategy.saving.save_s, job.failure_mix))

    def cost(self, job: Job, model: CostModel, strategy: Strategy) -> Cost:
        return model.cost(job, strategy)  # saves as long and as often: nothing else is new

    def remarks(self, job: Job, model: CostModel, strategy: Strategy) -> Sequence[str]:
        return [f"writes {self.ratio:.0%} of a checkpoint"]


if __name__ == "__main__":
    register(CompressedSave, Compression(ratio=0.3, compress_s=6.0))
    job = load_preset("bloom-176b")
    answer = plan(job, Exact())
    for one in answer.strategies:
        played = simulate(job, one.strategy, runs=4000, seed=1).overhead_fraction
        print(
            f"{one.name}: a save of {one.strategy.saving.save_s:.0f} s every {one.interval_s:.0f} s, "
            f"overhead {one.overhead_fraction:.3%}, simulated {played.mean:.3%} ± {played.standard_error:.3%}"
        )
    print("recommended:", answer.recommended)
    print(next(note for note in answer.warnings if "writes" in note))
