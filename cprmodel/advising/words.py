"""The advisor's reasons as a person would say them."""

from __future__ import annotations

from collections.abc import Sequence

from cprmodel.advising.learning import PRIOR_FAILURES, PRIOR_SAVES, Experience, stall_s
from cprmodel.costing import Choice
from cprmodel.facts.strategies import FailureKind, Recovery, loses_samples
from cprmodel.facts.units import count_of, format_share, format_time
from cprmodel.jobs import Job

__all__ = ["INTERRUPTED", "reasons"]

INTERRUPTED = (
    "the process before this one ended without a word: if a failure ended it, say so with failed() before a step, "
    "else with interrupted = False"
)
#: Of a job whose plan has saves in an order of the rows.
ORDERED = (
    "This is for saves that write everything: how often to save the first rows of an order, cprmodel plan says "
    '(plan(job)["partial-update-age"].strategy.saves_every_s).'
)

#: Of a job with planned stops.
PLANNED = "Planned stops are not in it: tell it each with warned(deadline=...)."


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
    if job.access is not None and loses_samples(recovery):
        said.append(ORDERED)
    if job.failures.planned:
        said.append(PLANNED)
    spent = seen.overhead_fraction
    if spent is not None and (seen.saves or seen.failures or seen.announced):
        parts = (("saves", seen.waiting_s), ("lost work", seen.lost_s), ("recoveries", seen.recovering_s))
        shown = ", ".join(f"{name} {format_time(value)}" for name, value in parts)
        said.append(f"Overhead so far {format_share(spent)}: {shown} of {format_time(seen.exposure_s)}.")
        budget = job.pls_budget
        if loses_samples(recovery) and budget is not None:
            mix, shards = job.failure_mix, job.cluster.embedding_shards or 1
            pls = seen.lost_for_good_s * mix.shards_per_failure / (shards * seen.useful_s)
            said.append(f"Portion of lost samples so far {pls:.3g}, of a budget of {budget:.3g}.")
    return " ".join([*said, *(f"Note: {remark}." for remark in remarks)])


def _of_saves(job: Job, learned: Job, seen: Experience) -> str:
    said = []
    names = [one.name or f"level {at + 1}" for at, one in enumerate(job.checkpoint.level or ())]
    for at, name in enumerate(names or [""]):
        said.append(_of_level(job, learned, seen, at, f" to {name}" if name else ""))
    if seen.drains:
        drains = format_time(learned.checkpoint.drains_s)
        said.append(f"It goes on for {drains} in the background ({_many(seen.drains, 'save')} took that).")
    if seen.queued_s:
        said.append(f"Training waited {format_time(seen.queued_s)} besides for saves before it.")
    if seen.void:
        said.append(f"{_many(seen.void, 'save')} more failed.")
    return " ".join(said)


def _of_level(job: Job, learned: Job, seen: Experience, level: int, where: str) -> str:
    saves, saving_s = seen.of_level(level)
    cost, planned = format_time(stall_s(learned, level)), format_time(stall_s(job, level))
    if not saves:
        return f"A save{where} takes {cost} by the plan; none was seen yet."
    mean = format_time(saving_s / saves)
    return (
        f"A save{where} takes {cost}: {_many(saves, 'save')} took {mean} on average, and the plan's {planned} "
        f"counts as {PRIOR_SAVES:g} more."
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
    if seen.healed:
        text += f" {_many(seen.healed, 'failure')} more healed without a roll-back."
    if seen.paused_s:
        text += f" It stood still for {format_time(seen.paused_s)} besides."
    return text


def _many(count: int, what: str) -> str:
    return count_of(count, what) if count else f"no {what}"
