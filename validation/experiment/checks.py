"""Hypotheses that are no comparison of a quantity: that runs end, that full recovery loses nothing, and more."""

from __future__ import annotations

from collections.abc import Iterator

from validation.experiment.order_checks import order_checks
from validation.experiment.outcome import Outcome
from validation.experiment.recommendation import recommendation_checks
from validation.experiment.verdict import Check, Verdict, passes

__all__ = ["checks"]


def checks(outcome: Outcome) -> Iterator[Check]:
    """What can be said without a tolerance, and the recommendation."""
    failed = [run for run in outcome.runs if run.status != "finished"]
    if failed:
        said = f"{len(failed)} of {len(outcome.runs)} did not"
        yield Check("every run comes to its end", said, Verdict.INCONCLUSIVE)
    if not outcome.ended:
        yield Check("the experiment comes to its end", "it was cut off, or is under way", Verdict.INCONCLUSIVE)
    if outcome.damaged:
        yield Check("the log is whole", f"{outcome.damaged} of its lines cannot be read", Verdict.INCONCLUSIVE)
    full = [run for run in outcome.tried() if run.recovery == "full"]
    if full:
        lost = sum(run.measured.summary.lost_samples for run in full if run.measured)
        yield Check(
            "full recovery loses nothing", f"{lost:,} shard-samples lost in {len(full)} runs", passes(lost == 0)
        )
    paired = [run for run in full if run.metric_drop is not None]
    if paired:
        worst = max(abs(run.metric_drop or 0.0) for run in paired)
        said = f"largest difference of the metric from the run without failures: {worst:g} ({len(paired)} runs)"
        yield Check("full recovery changes nothing", said, passes(worst == 0))
    if outcome.orders:
        yield from order_checks(outcome)
    tolerance = outcome.experiment.experiment.tolerances.recommendation
    if outcome.recommended and tolerance is not None:
        yield from recommendation_checks(outcome, tolerance)
