"""Kinds of saving policy: who chooses the interval of each, prices it, and speaks of it.

A policy whose saves take everything needs nothing here: a cost model knows it by ``save_s``. Another kind registers
itself with :func:`register`, in the room that owns it, and planning, sweeps and charts take it from there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from cprmodel.costing.models import Choice, Cost, CostModel
from cprmodel.facts.strategies import Recovery, SavingPolicy, Strategy
from cprmodel.jobs import Job

__all__ = [
    "Candidate",
    "Kind",
    "LeftOut",
    "choose",
    "cost",
    "is_registered",
    "may_cost_less",
    "register",
    "registered",
    "remarks",
]


@dataclass(frozen=True)
class Candidate:
    """A strategy whose interval is still to be found, by what is said here."""

    name: str
    recovery: Recovery
    saving: SavingPolicy
    within_budget: bool = False  #: the interval keeps the budget of lost samples
    like: str = ""  #: it takes the interval of the strategy of this name
    given_s: float | None = None  #: or this one [s]

    def at(self, interval_s: float, saving: SavingPolicy | None = None) -> Strategy:
        """The strategy with an interval, and how it saves where that was chosen, too."""
        return Strategy(self.name, self.recovery, saving or self.saving, interval_s)


class LeftOut(str):
    """A note that says why strategies whose names begin so (``of``) are not among a job's.

    >>> why = LeftOut("saves that rotate are left out: ...", of="full-rotating")
    >>> why, why.of
    ('saves that rotate are left out: ...', 'full-rotating')
    """

    __slots__ = ("of",)
    of: str

    def __new__(cls, said: str, of: str = "") -> LeftOut:
        """A string like any other, which knows its names."""
        made = super().__new__(cls, said)
        made.of = of
        return made


class Kind(Protocol):
    """What planning asks of a kind of saving policy."""

    def candidates(self, job: Job) -> tuple[list[Candidate], list[str]]:
        """The strategies of this kind that a job can have, and notes on why there are none."""

    def choose(self, job: Job, model: CostModel, strategy: Strategy, budget: float | None) -> Choice:
        """The best interval of a strategy (whose own is not looked at), within a budget of PLS if there is one.

        Where no interval keeps it, one that does not: the strategy is then shown as breaking the budget.
        """

    def cost(self, job: Job, model: CostModel, strategy: Strategy) -> Cost:
        """What a strategy costs and loses."""

    def remarks(self, job: Job, model: CostModel, strategy: Strategy) -> Sequence[str]:
        """What a reader of the figures should know."""


class _Whole:
    """Saves that take everything: planning knows which strategies there are."""

    def candidates(self, job: Job) -> tuple[list[Candidate], list[str]]:
        return [], []

    def choose(self, job: Job, model: CostModel, strategy: Strategy, budget: float | None) -> Choice:
        return model.full_interval(job) if budget is None else model.partial_interval(job, budget)

    def cost(self, job: Job, model: CostModel, strategy: Strategy) -> Cost:
        return model.cost(job, strategy)

    def remarks(self, job: Job, model: CostModel, strategy: Strategy) -> Sequence[str]:
        said = getattr(model, "remarks", None)
        notes = said(job, strategy) if said is not None else ()
        if job.job.time_limit_s is None and not job.doubts_saves:
            return notes
        from cprmodel.costing.against import about_what_is_priced_alone

        return (*notes, *about_what_is_priced_alone(model, job, strategy))


_WHOLE: Kind = _Whole()
_KINDS: dict[type, Kind] = {}


def register(policy: type, kind: Kind) -> None:
    """Let a kind answer for a saving policy (and what derives from it)."""
    _KINDS[policy] = kind


def registered() -> list[Kind]:
    """Kinds beside that of saves that take everything."""
    return list(_KINDS.values())


def is_registered(saving: SavingPolicy) -> bool:
    """Whether a kind of its own answers for a saving policy."""
    return _kind_of(saving) is not _WHOLE


def _kind_of(saving: SavingPolicy) -> Kind:
    return next((_KINDS[base] for base in type(saving).__mro__ if base in _KINDS), _WHOLE)


def choose(job: Job, model: CostModel, strategy: Strategy, budget: float | None = None) -> Choice:
    """The best interval of a strategy, whatever its saving policy. JobError where none keeps the budget."""
    return _kind_of(strategy.saving).choose(job, model, strategy, budget)


def cost(job: Job, model: CostModel, strategy: Strategy) -> Cost:
    """What a strategy costs and loses, whatever its saving policy.

    >>> from cprmodel import Exact, load_preset, plan
    >>> job = load_preset("cpr-dlrm")
    >>> cost(job, Exact(), plan(job, Exact())["full"].strategy).pls
    0.0
    """
    return _kind_of(strategy.saving).cost(job, model, strategy)


def may_cost_less(job: Job, model: CostModel, strategy: Strategy, budget: float, least: float) -> bool:
    """Whether the best of a strategy within a budget may cost less than ``least``: sooner told than found.

    True where its kind does not say; one that does has a method of this name.
    """
    tells = getattr(_kind_of(strategy.saving), "may_cost_less", None)
    return True if tells is None else bool(tells(job, model, strategy, budget, least))


def remarks(job: Job, model: CostModel, strategy: Strategy) -> Sequence[str]:
    """What a reader of its figures should know."""
    return _kind_of(strategy.saving).remarks(job, model, strategy)
