"""How throughput grows with the nodes (``[scaling]``): what more nodes buy, against what their failures cost."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Any

import numpy as np
from pydantic import Field, model_validator

from cprmodel.formulas.scaling import scaled_work
from cprmodel.jobs.quantities import Count, OpenShare, Plain, Section, wrong

__all__ = ["Scaling", "check_nodes"]

_Exponent = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False), Plain]
_Measured = Annotated[float, Field(gt=0, le=1e15, allow_inf_nan=False), Plain]


class Scaling(Section):
    """Throughput against nodes. The job file's figures hold on ``reference_nodes``; ``scaled_to`` moves them."""

    reference_nodes: Count | None = Field(
        None, description="nodes on which job.work was measured; default: failures.nodes"
    )
    exponent: _Exponent | None = Field(
        None, description="throughput grows as nodes^exponent: 1 where twice the nodes do twice the work"
    )
    points: Annotated[tuple[tuple[_Measured, _Measured], ...] | None, Field(min_length=2)] = Field(
        None, description="or: measured points [nodes, throughput in any unit], more and more nodes"
    )
    repair_s: float | None = Field(None, description="mean time until a failed node can be used again (for spares)")
    waiting: OpenShare = Field(
        0.01, description="share of the failures that may find no spare node and wait for a repair"
    )

    @model_validator(mode="after")
    def _one_law(self) -> Scaling:
        if self.exponent is not None and self.points is not None:
            raise wrong("exponent and points", (self.exponent, "..."), "one of exponent and points")
        if not self.grows and self.repair_s is None:
            raise wrong("exponent", "", "one of exponent and points (or repair, for spares alone)")
        nodes = [] if self.points is None else [point[0] for point in self.points]
        for before, after in pairwise(nodes):
            if after <= before:
                raise wrong("points", f"{before:g} nodes, then {after:g}", "points of more and more nodes")
        return self

    @property
    def grows(self) -> bool:
        """Whether it says what more nodes buy."""
        return self.exponent is not None or self.points is not None

    @property
    def range(self) -> tuple[float, float]:
        """The fewest and the most nodes that the law says anything of."""
        return (1.0, 1e9) if self.points is None else (self.points[0][0], self.points[-1][0])

    def work_s(self, work_s: Any, nodes: Any, reference_nodes: Any) -> Any:
        """Useful training time on other nodes, for numbers and arrays; NaN where nothing was measured."""
        if self.exponent is not None:
            return scaled_work.raw(work_s, nodes, reference_nodes, self.exponent)
        assert self.points is not None
        known, measured = np.log(np.array(self.points)).T
        there = np.interp(np.log(nodes), known, measured, left=np.nan, right=np.nan)
        here = np.interp(np.log(reference_nodes), known, measured, left=np.nan, right=np.nan)
        return work_s * np.exp(here - there)  # straight lines between points in logarithms: a power of the nodes


def check_nodes(scaling: Scaling | None, nodes: int | None) -> None:
    """That it is known, in one place, on how many nodes the job file's figures hold."""
    if scaling is None:
        return
    reference = scaling.reference_nodes
    if reference is None and nodes is None:
        raise wrong("scaling.reference_nodes", "", "the nodes on which job.work was measured, or failures.nodes")
    if reference is not None and nodes is not None and reference != nodes:
        expected = (
            f"failures.nodes ({nodes}): the file's figures hold on these (cprmodel sweep varies failures.nodes)"
        )
        raise wrong("scaling.reference_nodes", reference, expected)
    low, high = scaling.range
    here = reference if reference is not None else nodes or 0
    if not low <= here <= high:
        raise wrong("scaling.points", f"{low:g} to {high:g} nodes", f"points around the job's nodes ({here})")
