"""How often to save a sharded recommendation model, which recovery to use, and what it costs.

>>> from cprmodel import Job, plan
>>> from cprmodel.presets import load_preset
>>> plan(load_preset("cpr-dlrm")).recommended
'partial'
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cprmodel.facts.lazy import loaded_when_used
from cprmodel.facts.version import __version__

_PUBLIC = {
    "Accuracy": "cprmodel.jobs",
    "Advisor": "cprmodel.advising",
    "AdvisorWarning": "cprmodel.facts.errors",
    "Breakdown": "cprmodel.facts.results",
    "Checkpoint": "cprmodel.jobs",
    "Cluster": "cprmodel.jobs",
    "CprModelError": "cprmodel.facts.errors",
    "DomainError": "cprmodel.facts.errors",
    "Exact": "cprmodel.costing",
    "Failures": "cprmodel.jobs",
    "FirstOrder": "cprmodel.costing",
    "Job": "cprmodel.jobs",
    "JobError": "cprmodel.facts.errors",
    "Plan": "cprmodel.planning",
    "SteadyState": "cprmodel.costing",
    "StrategyPlan": "cprmodel.planning",
    "ValidityWarning": "cprmodel.facts.errors",
    "Work": "cprmodel.jobs",
    "load_job": "cprmodel.loading",
    "load_preset": "cprmodel.presets",
    "plan": "cprmodel.planning",
    "plan_many": "cprmodel.bulk",
    "simulate": "cprmodel.planning.playing",
}

__all__ = [
    "Accuracy",
    "Advisor",
    "AdvisorWarning",
    "Breakdown",
    "Checkpoint",
    "Cluster",
    "CprModelError",
    "DomainError",
    "Exact",
    "Failures",
    "FirstOrder",
    "Job",
    "JobError",
    "Plan",
    "SteadyState",
    "StrategyPlan",
    "ValidityWarning",
    "Work",
    "__version__",
    "load_job",
    "load_preset",
    "plan",
    "plan_many",
    "simulate",
]

if TYPE_CHECKING:
    from cprmodel.advising import Advisor
    from cprmodel.bulk import plan_many
    from cprmodel.costing import Exact, FirstOrder, SteadyState
    from cprmodel.facts.errors import AdvisorWarning, CprModelError, DomainError, JobError, ValidityWarning
    from cprmodel.facts.results import Breakdown
    from cprmodel.jobs import Accuracy, Checkpoint, Cluster, Failures, Job, Work
    from cprmodel.loading import load_job
    from cprmodel.planning import Plan, StrategyPlan, plan
    from cprmodel.planning.playing import simulate
    from cprmodel.presets import load_preset


#: Public names come when they are first used, so that importing cprmodel costs next to nothing.
__getattr__ = loaded_when_used(__name__, _PUBLIC)


def __dir__() -> list[str]:
    return sorted(__all__)
