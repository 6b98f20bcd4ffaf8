"""Stand-ins for a record's rows, of which an order chooses some at each save: played from a run's beginning on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from cprmodel.harm.predicted import HarmModel
from cprmodel.harm.put_back import PutBack, over
from cprmodel.harm.statistics import Floats

__all__ = ["HARM_ORDERS", "STAND_INS", "SavedRows"]

STAND_INS = 120  #: of a class of rows, at most


@dataclass
class _Rows:
    """Stand-ins, and what they have seen since their save."""

    weight: Floats  # rows that each stands for
    of: Any  # its class
    pace: Floats  # updates per sample
    updates: Floats
    saved: Floats  # position of its save
    luck: Floats  # of its Δ: mean 1


@dataclass(frozen=True)
class _Now:
    """What an order may look at."""

    rows: _Rows
    slots: Floats  # saves since the row's own, 1 for one that was saved the last time
    at_once: Floats  # its expected quadratic harm [nat]
    curvature: Floats  # trace of H of its table


#: What each order sorts by, the largest first; None: all rows at once, where their turn comes.
HARM_ORDERS: dict[str, Callable[[_Now], Floats] | None] = {
    "everything": None,
    "uniform": None,
    "scar": lambda now: now.at_once / np.maximum(now.rows.pace * now.curvature, 1e-300),
    "update-age": lambda now: now.rows.updates * now.slots,
    "mfu": lambda now: now.rows.updates,
    "least-harm": lambda now: now.at_once,
    "best-fixed": lambda now: now.rows.pace * now.slots**2,
}

_WHETHER_USED_OR_NOT = ("everything", "uniform", "best-fixed")


class SavedRows:
    """A play of the rows of a record under an order that saves a fraction of them every so many samples."""

    def __init__(
        self,
        model: HarmModel,
        order: str,
        fraction: float,
        every: float,
        random: np.random.Generator,
        stand_ins: int = STAND_INS,
    ) -> None:
        self.model, self.order, self.fraction, self.every, self.random = model, order, fraction, every, random
        self.rows = _stand_ins(model, random, stand_ins)
        self.shapes, self.traces = _shapes(model), _traces(model)

    def at(self, moments: Floats) -> Iterator[float]:
        """Go on from one of these moments to the next; at 0 all rows are as they were saved."""
        rows, then = self.rows, 0.0
        saves = np.arange(self.every, float(moments.max(initial=0.0)), self.every)
        events = sorted(
            [(float(at), 0, number) for number, at in enumerate(saves, 1)] + [(float(at), 1, 0) for at in moments]
        )
        for at, looked_at, number in events:
            rows.updates += self.random.poisson(rows.pace * (at - then))
            then = at
            if looked_at:
                yield at
            else:
                self.renew(self._chosen(at, number), at)

    def renew(self, some: Any, at: float) -> None:
        """They are as they were saved."""
        rows, shape = self.rows, self.shapes[self.rows.of[some]]
        rows.updates[some], rows.saved[some] = 0.0, at
        rows.luck[some] = self.random.standard_gamma(shape) / shape

    def put_back(self, share: Floats, at: float) -> PutBack:
        """What a failure takes that puts such a share of each row back."""
        rows = self.rows
        some = (share > 0) & (rows.updates > 0)
        ages, which = np.unique((at - rows.saved)[some], return_inverse=True)
        weight = (rows.weight * share)[some]
        return PutBack(
            of=rows.of[some],
            ages=ages,
            which=which,
            updates=weight * rows.updates[some],
            of_mean=weight * self._of_mean(at)[some],
            luck=rows.luck[some],
        )

    def _chosen(self, at: float, number: int) -> Any:
        """Which rows a save takes."""
        rows = self.rows
        if self.order == "everything":
            return np.ones(len(rows.of), dtype=bool)
        if self.order == "uniform":
            return np.full(len(rows.of), number % max(1, round(1 / self.fraction)) == 0)
        rule = HARM_ORDERS[self.order]
        assert rule is not None
        slots = np.maximum(np.ceil((at - rows.saved) / self.every), 1.0)
        harm = self._at_once(at) if self.order in ("scar", "least-harm") else rows.updates
        index = rule(_Now(rows, slots, harm, self.traces[rows.of]))
        # equal ones by lot: as they lie, the tables that come first would always win
        first = np.lexsort((rows.luck, -index))
        budget = self.fraction * rows.weight.sum()
        chosen = np.zeros(len(rows.of), dtype=bool)
        chosen[first[np.cumsum(rows.weight[first]) <= budget * (1 + 1e-9)]] = True
        return chosen if self.order in _WHETHER_USED_OR_NOT else chosen & (rows.updates > 0)

    def _at_once(self, at: float) -> Floats:
        """Expected quadratic harm of each stand-in's row, with its own updates and luck."""
        ages, which = np.unique(at - self.rows.saved, return_inverse=True)
        quadratic: Any = sum(
            share * terms.quadratic_at(ages) / np.maximum(terms.rows, 1.0)[:, None]
            for terms, share in self.model.near(at)
        )
        return quadratic[self.rows.of, which] * self._of_mean(at) * self.rows.luck  # type: ignore[no-any-return]

    def _of_mean(self, at: float) -> Floats:
        """Updates since the save over those that were to be expected."""
        return over(self.rows.updates, self.rows.pace * (at - self.rows.saved))


def _stand_ins(model: HarmModel, random: np.random.Generator, most: int) -> _Rows:
    last = model.terms[-1]
    weight, of, pace = [], [], []
    for number, (rows, accesses) in enumerate(zip(last.rows, last.accesses, strict=True)):
        if accesses > 0:
            many = int(min(rows, most))
            weight += [rows / many] * many
            of += [number] * many
            pace += [accesses / rows] * many
    size = len(of)
    return _Rows(
        np.array(weight),
        np.array(of),
        np.array(pace),
        np.zeros(size),
        np.zeros(size),
        random.standard_exponential(size),
    )


def _shapes(model: HarmModel) -> Floats:
    """Of the gamma law of each class's luck: half the number of directions that ΔᵀHΔ sums up."""
    found = []
    tables = {table.name: table for table in model.record.points[-1].tables}
    for one in model.classes:
        values = np.array(tables[one.table].curvature_eigenvalues)
        squares = float((values**2).sum())
        found.append(float(values.sum()) ** 2 / squares / 2 if squares > 0 else 0.5)
    return np.array(found)


def _traces(model: HarmModel) -> Floats:
    tables = {table.name: table.curvature_trace for table in model.record.points[-1].tables}
    return np.array([tables[one.table] for one in model.classes])
