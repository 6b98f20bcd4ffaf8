"""The advisor's reasons as a person would say them."""

from __future__ import annotations

from collections.abc import Sequence

from cprmodel.advising.learning import PRIOR_FAILURES, PRIOR_SAVES, Experience
from cprmodel.costing import Choice, loses_samples
from cprmodel.facts.strategies import FailureKind, Recovery
from cprmodel.facts.units import count_of, format_share, format_time
from cprmodel.jobs import Job

__all__ = ["INTERRUPTED", "reasons"]

INTERRUPTED = (
    "the process before this one ended without a word: if a failure ended it, say so with failed() before a step, "
    "else with interrupted = False"
)


def reasons(
    job: Job,
    learned: Job,
    choice: Choice,
    recovery: Recovery,
    seen: Experience,
    steps: int | None,
    *,
    announced: bool,
    due_s: float,
    remarks: Sequence[str] = (),
) -> str:
    """Interval, save cost, failure rate, each with what it rests on; then what was spent so far."""
    about = f" (about {count_of(steps, 'step')})" if steps is not None else ""
    when = "now" if due_s <= 0 else f"in {format_time(due_s)}"
    said = [
        f"Save every {format_time(choice.interval_s)}{about} of work, next {when}: {recovery.name} recovery, "
        f"set by {choice.set_by}.",
        _of_saves(job, learned, seen),
        _of_failures(job, learned, seen),
    ]
    if announced:
        said.append("A failure is announced.")
    spent = seen.overhead_fraction
    if spent is not None and (seen.saves or seen.failures or seen.announced):
        parts = (("saves", seen.saving_s), ("lost work", seen.lost_s), ("recoveries", seen.recovering_s))
        shown = ", ".join(f"{name} {format_time(value)}" for name, value in parts)
        said.append(f"Overhead so far {format_share(spent)}: {shown} of {format_time(seen.exposure_s)}.")
        budget = job.pls_budget
        if loses_samples(recovery) and budget is not None:
            mix, shards = job.failure_mix, job.cluster.embedding_shards or 1
            pls = seen.lost_for_good_s * mix.shards_per_failure / (shards * seen.useful_s)
            said.append(f"Portion of lost samples so far {pls:.3g}, of a budget of {budget:.3g}.")
    return " ".join([*said, *(f"Note: {remark}." for remark in remarks)])


def _of_saves(job: Job, learned: Job, seen: Experience) -> str:
    cost, planned = format_time(learned.save_s), format_time(job.save_s)
    if not seen.saves:
        return f"A save takes {cost} by the plan; none was seen yet."
    mean = format_time(seen.saving_s / seen.saves)
    return (
        f"A save takes {cost}: {_many(seen.saves, 'save')} took {mean} on average, and the plan's {planned} counts "
        f"as {PRIOR_SAVES:g} more."
    )


def _of_failures(job: Job, learned: Job, seen: Experience) -> str:
    mtbf, planned = format_time(learned.failure_mix.mtbf_s), format_time(job.failure_mix.mtbf_s)
    kinds = [f"{seen.seen(kind)} {kind.value.replace('_', ' ')}" for kind in FailureKind if seen.seen(kind)]
    shown = f" ({', '.join(kinds)})" if kinds else ""
    text = (
        f"A failure comes every {mtbf}: {_many(seen.failures, 'failure')}{shown} in "
        f"{format_time(seen.exposure_s)}, and the plan's {planned} counts as {PRIOR_FAILURES:g} of a failure."
    )
    if seen.announced:
        text += f" {_many(seen.announced, 'failure')} more had been announced and found the work saved."
    return text


def _many(count: int, what: str) -> str:
    return count_of(count, what) if count else f"no {what}"
