"""Which rows are saved first: what the orders of saving lose in training, beside what was predicted of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cprmodel.facts.ordered import FirstRows, StoredPrioritySave
from cprmodel.facts.storage import SaveLevel, StoredSave
from cprmodel.facts.strategies import FailureKind, FailureMix, PartialRecovery, PrioritySave, Strategy
from cprmodel.ordering import Classes
from cprmodel.ordering.draining import DrainingLedger, play_drained
from cprmodel.ordering.ledger import UpdateLedger
from cprmodel.ordering.played import pieces
from cprmodel.simulation import AtTimes, GivenFailure, play
from validation.case import Case
from validation.data.sources import open_source
from validation.data.tables import num_embeddings_of

__all__ = ["UNPREDICTED", "Struck", "predicted_pls", "update_rates"]

#: Orders whose figure is for movements that training does not make (all of one size, in random directions).
UNPREDICTED = ("scar",)

_ROWS = 4000  #: rows that stand for all
_STREAMS = 12  #: of the simulation behind a prediction


@dataclass(frozen=True)
class Struck:
    """A failure at work: after so many whole steps, of these shards."""

    after_steps: int
    shards: tuple[int, ...]


def update_rates(case: Case) -> Classes:
    """Updates of the rows in a step: a step updates a row once, however often its samples look it up.

    From the law of synthetic data; of other data each row's own count in training.
    """
    if case.data.source == "synthetic":
        found = []
        for rows in num_embeddings_of(case):
            weights = np.arange(1, rows + 1, dtype=np.float64) ** -case.data.zipf_exponent
            found.append(
                -np.expm1(case.data.batch_size * np.log1p(-np.minimum(weights / weights.sum(), 1 - 1e-15)))
            )
        rates = np.concatenate(found)
    else:
        source = open_source(case)
        counts = np.zeros(sum(source.num_embeddings))
        batches = source.train(None)
        for _ in range(case.steps):
            counts[np.unique(next(batches)[0].ids)] += 1
        rates = counts / case.steps
    return Classes(rates, np.ones(rates.shape)).binned()


def predicted_pls(
    case: Case, rates: Classes, struck: Sequence[Struck], seed: int, drain_steps: float = 0.0
) -> float:
    """Expected share of updates that these failures take, by ``cprmodel`` and the order's own tracker.

    ``drain_steps``: for so many a save is written while training goes on.
    """
    section, shards = case.strategy, case.shards.count
    order, fraction = (section.order, section.fraction) if section.order else ("round-robin", 1.0)
    nothing = PartialRecovery(0.0, 0.0, 0.0, 0.0, 0.0)
    saving = PrioritySave(0.0, fraction, order)
    if drain_steps:
        whole = StoredSave((SaveLevel("storage", 0.0, 0.0, 0.0),), drain_s=drain_steps / fraction, overlap=1.0)
        saving = StoredPrioritySave(0.0, fraction, order, whole=whole, rows=FirstRows(fraction, None))
    strategy = Strategy("partial", nothing, saving, float(section.interval_steps))
    failures = [GivenFailure(FailureKind.SHARD, one.shards, one.after_steps + 1e-6) for one in struck]
    updates: Any = pieces(rates, _ROWS)
    found = []
    for stream in np.random.SeedSequence([seed, 0x0DE5]).spawn(_STREAMS):
        random = np.random.default_rng(stream)
        given = (order, updates, fraction, shards, FailureMix(1.0), float(case.steps), random, 1.0)
        strikes = AtTimes(failures)
        if drain_steps:
            found.append(play_drained(strategy, float(case.steps), strikes, DrainingLedger(*given)).pls)
        else:
            found.append(play(strategy, float(case.steps), strikes, shards, ledger=UpdateLedger(*given)).pls)
    return float(np.mean(found))
