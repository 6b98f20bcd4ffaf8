"""How often a job fails by its components: formulas with numbers in them, and the same as plain data."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from cprmodel.costing.models import Step, use
from cprmodel.facts.units import count_of, format_share, format_time
from cprmodel.formulas.failures import mtbf_from_nodes, mttf_from_fit
from cprmodel.jobs import Job

__all__ = ["explained_components"]


def explained_components(job: Job) -> Iterator[str | Step]:
    """Words and formulas: of each kind of component, and of the levels that survive its failures."""
    of = job.failures
    if of.component is None:
        return
    yield f"failures: an MTBF of {format_time(of.mtbf_of_job_s)}"
    levels = job.checkpoint.level or ()
    sorts = iter(job.failure_mix.sorts)
    for one, share in zip(of.component, of.component_shares, strict=True):
        filled = of.domain_sizes.filled(one.domain, job.nodes)
        own = list(islice(sorts, len(filled)))
        name = one.name or "component"
        if one.share is None:
            domains = float(sum(many for many, _ in filled))
            kind = one.domain if domains == 1 else "processes" if one.domain == "process" else f"{one.domain}s"
            last = f" (the last one of {count_of(filled[-1][1], 'node')})" if len(filled) > 1 else ""
            often = format_share(share)
            yield f"  {name}: {one.count} in each of {domains:.6g} {kind}{last}; {often} of the failures"
            if one.fit is not None:
                yield use(mttf_from_fit, fit=one.fit)
            mttf = one.mttf_s if one.fit is None else float(mttf_from_fit.raw(one.fit))
            yield use(mtbf_from_nodes, node_mtbf_s=mttf, nodes=one.count * domains)
        else:
            yield f"  {name}: {format_share(share)} of the failures"
        for (_, size), sort in zip(filled, own, strict=True):
            where = f" in a {one.domain} of {count_of(size, 'node')}" if len(filled) > 1 else ""
            if job.cluster.embedding_shards is not None:
                yield f"      takes {count_of(round(sort.shards), 'shard')}{where} where it takes any"
            if len(sort.needs) == len(levels):
                places = [level.name or f"level {at + 1}" for at, level in enumerate(levels)]
                needs = [f"{places[at]} {format_share(part)}" for at, part in enumerate(sort.needs) if part > 0]
                yield f"      read back from{where}: {', '.join(needs)}"
    yield ""
