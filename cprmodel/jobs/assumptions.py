"""What a job file leaves out, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cprmodel.jobs.domains import about_domains, about_levels
from cprmodel.jobs.planned import about_dates
from cprmodel.jobs.warned import warning_words
from cprmodel.jobs.work import about_unannounced

if TYPE_CHECKING:
    from cprmodel.jobs.model import Job

__all__ = ["assumptions"]


def assumptions(job: Job) -> list[str]:
    """What is taken as its default: worth a line in every answer."""
    said = job.failures.about_nodes()
    if job.checkpoint.load_s is None and not job.checkpoint.level:
        said.append("checkpoint.load isn't given: taken to be as long as a save")
    said += [*job.checkpoint.stall_words(), *job.checkpoint.scattering_words()]
    words = warning_words(job.checkpoint, ordered=job.access is not None and job.pls_budget is not None)
    if words is not None:
        said.append(words)
    if job.failures.component is not None:
        of, levels = job.failures, job.checkpoint.level or ()
        assert of.component is not None
        said += about_domains(of.component, of.domain_sizes, job.nodes)
        said += about_levels(levels, of.component, of.component_shares, of.domain_sizes, job.nodes)
    if job.failures.group_nodes is not None and job.cluster.embedding_shards is not None:
        said.append("failures.group_nodes: every node of a group that fails is taken to hold a shard")
    shards, nodes = job.cluster.embedding_shards, job.nodes
    told = job.failures.component is not None or {"trainer_share", "shard_share"} & job.failures.model_fields_set
    if not told and shards is not None and nodes is not None and nodes > shards and job.pls_budget is not None:
        said.append(
            "failures.trainer_share isn't given: each failure is taken to cost a shard, or everybody, though "
            f"no more than {shards} of {nodes} nodes hold one"
        )
    said += about_dates(job.failures.planned or (), job.job.start)
    if job.job.time_limit_s is not None and not job.saves_before_limit:
        said.append(about_unannounced(job.job, job.checkpoint))
    if job.job.elastic is not None and job.job.elastic.reshape_s == 0:
        said.append("job.elastic.reshape isn't given or is 0: to shrink and to grow is taken to cost a load alone")
    if job.checkpoint.reschedule_s == 0:
        said.append("checkpoint.reschedule isn't given or is 0: a restart is taken to cost no time")
    return said
