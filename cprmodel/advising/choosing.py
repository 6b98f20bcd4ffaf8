"""Which recovery an advisor assumes, and the interval by what is known."""

from __future__ import annotations

from cprmodel.costing import Choice, Exact, SteadyState, check_plain, check_whole
from cprmodel.costing.saving import as_stored, saving_of
from cprmodel.facts.errors import JobError, Problem
from cprmodel.facts.storage import heeds_warnings
from cprmodel.facts.strategies import Recovery, loses_samples
from cprmodel.jobs import Job

__all__ = ["check_job", "choose", "heeds", "periods_of", "recovery_of"]


def check_job(job: Job) -> None:
    """Refuse what an advisor cannot learn (JobError): time limits, silent errors, dirty rows, shared storage."""
    if job.job.time_limit_s is not None:
        nearest = "without the key, Advisor(time_limit_s=...) saves before the end of this run"
        check_plain(job, "the advisor", nearest=nearest)
    if job.doubts_saves:
        check_plain(job, "the advisor", nearest="cprmodel plan says how often to save, and what to check")
    if job.checkpoint.incremental:
        nearest = (
            "cprmodel plan has the interval of dirty rows; without the key the advisor has that of whole saves"
        )
        expected = f"no such key: the advisor only knows saves that write everything ({nearest})"
        raise JobError("job", [Problem("checkpoint.incremental", "true", expected)])
    check_whole(job, "the advisor", "cprmodel plan says how many experts a save holds, and how often")
    if job.storage is not None:
        nearest = "cprmodel plan has the interval that leaves them room; without the table the advisor has its own"
        expected = f"no such table: the advisor knows of no other jobs ({nearest})"
        raise JobError("job", [Problem("storage", "", expected)])


def recovery_of(job: Job, wanted: Recovery | str | None) -> Recovery:
    """The recovery that is meant, if it suits the job."""
    if wanted is None:
        from cprmodel.planning import plan

        wanted = plan(job).best.strategy.recovery
    elif isinstance(wanted, str):
        named: dict[str, Recovery] = {one.name: one for one in (job.full_recovery, job.partial_recovery)}
        if wanted not in named:
            raise JobError("Advisor", [Problem("recovery", f'"{wanted}"', '"full" or "partial"')])
        wanted = named[wanted]
    if loses_samples(wanted):
        if job.cluster.embedding_shards is None:
            expected = "a number of shards, for partial recovery"
            raise JobError("Advisor", [Problem("cluster.embedding_shards", "", expected)])
        if job.pls_budget is None:
            expected = "a budget, without which nothing bounds the interval of partial recovery"
            raise JobError("Advisor", [Problem("accuracy", "", expected)])
    return wanted


def choose(learned: Job, recovery: Recovery) -> Choice:
    """The interval to the next save, and where saves go, of a job as it is known."""
    model = Exact() if learned.plain else SteadyState()
    return model.next_interval(learned, recovery, learned.pls_budget)


def periods_of(choice: Choice, recovery: Recovery) -> tuple[int, ...]:
    """For each level, how many saves there are to one of it or a higher one."""
    return (1,) if choice.saving is None else as_stored(choice.saving, recovery).periods


def heeds(learned: Job, choice: Choice) -> bool:
    """Whether to save on a warning: unless so many are false that the plan is better off without."""
    return not heeds_warnings(saving_of(learned)) or heeds_warnings(choice.saving)
