"""Stand-ins for a record's rows, of which an order chooses some at each save: played from a run's beginning on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from cprmodel.harm.predicted import HarmModel
from cprmodel.harm.put_back import PutBack, over
from cprmodel.harm.statistics import Floats

__all__ = ["HARM_ORDERS", "STAND_INS", "SavedRows"]

STAND_INS = 120  #: of a class of rows, at most

_RAREST = 1e-3  # accesses of the rarest row of a class without a lower edge, over its upper one
_STEEPEST, _HALVINGS = 40.0, 40  # power laws of rows by their accesses


@dataclass
class _Rows:
    """Stand-ins, and what they have seen since their save."""

    weight: Floats  # rows that each stands for
    of: Any  # its class
    pace: Floats  # updates per sample
    mean_pace: Floats  # of its class
    updates: Floats  # since it was as it is saved: at its save, or put back to it
    since: Floats  # position of that
    luck: Floats  # of its Δ: mean 1
    saved: Floats  # position of its save
    behind: Floats  # updates since then


@dataclass(frozen=True)
class _Struck:
    """What a failure has put back."""

    at: float
    rows: Any  # whether each was
    saved: Floats
    behind: Floats
    luck: Floats


@dataclass(frozen=True)
class _Now:
    """What an order may look at."""

    rows: _Rows
    slots: Floats  # saves since the row's own, 1 for one that was saved the last time
    at_once: Floats  # its expected quadratic harm [nat]
    curvature: Floats  # trace of ℋ of its table


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
        self.struck: list[_Struck] = []
        self.last = np.full(len(self.rows.of), -1)  # failure that put a row back last, since its save

    def at(self, moments: Floats) -> Iterator[float]:
        """Go on from one of these moments to the next; at 0 all rows are as they were saved."""
        rows, then = self.rows, 0.0
        saves = np.arange(self.every, float(moments.max(initial=0.0)), self.every)
        events = sorted(
            [(float(at), 0, number) for number, at in enumerate(saves, 1)] + [(float(at), 1, 0) for at in moments]
        )
        for at, looked_at, number in events:
            new = self.random.poisson(rows.pace * (at - then))
            rows.updates += new
            rows.behind += new
            then = at
            if looked_at:
                yield at
            else:
                self.renew(self._chosen(at, number), at)

    def renew(self, some: Any, at: float) -> None:
        """They are saved."""
        rows, shape = self.rows, self.shapes[self.rows.of[some]]
        rows.updates[some], rows.since[some] = 0.0, at
        rows.behind[some], rows.saved[some] = 0.0, at
        rows.luck[some] = self.random.standard_gamma(shape) / shape
        self.last[some] = -1

    def put_back(self, share: Floats, at: float) -> PutBack:
        """What a failure takes that puts such a share of each row back."""
        rows = self.rows
        return self._put_back(share, at, rows.saved, rows.behind, rows.luck)

    def strike(self, some: Any, at: float) -> float:
        """These rows go back to what was saved, and on from there; updates lost."""
        rows = self.rows
        for number in np.unique(self.last[some]):
            if number >= 0:  # what an earlier failure had put back to the same is put back again: it costs once
                self.struck[number].rows[some & (self.last == number)] = False
        self.last[some] = len(self.struck)
        self.struck.append(_Struck(at, some.copy(), rows.saved.copy(), rows.behind.copy(), rows.luck.copy()))
        lost = float((rows.weight * rows.updates)[some].sum())
        rows.updates[some], rows.since[some] = 0.0, at
        return lost

    def costs(self) -> Iterator[tuple[float, PutBack]]:
        """When failures struck, and what of that no later one has put back again."""
        for one in self.struck:
            yield one.at, self._put_back(one.rows.astype(float), one.at, one.saved, one.behind, one.luck)

    def _put_back(self, share: Floats, at: float, saved: Floats, behind: Floats, luck: Floats) -> PutBack:
        rows = self.rows
        some = (share > 0) & (behind > 0)
        of_mean = self._of_mean(behind, *np.unique(at - saved, return_inverse=True), at)
        ages, which = np.unique((at - saved)[some], return_inverse=True)
        weight = (rows.weight * share)[some]
        return PutBack(
            of=rows.of[some],
            ages=ages,
            which=which,
            updates=weight * behind[some],
            of_mean=weight * of_mean[some],
            luck=luck[some],
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
        slots = np.maximum(np.ceil((at - rows.since) / self.every), 1.0)
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
        rows = self.rows
        ages, which = np.unique(at - rows.since, return_inverse=True)
        quadratic: Any = sum(
            share * terms.quadratic_at(ages) / np.maximum(terms.rows, 1.0)[:, None]
            for terms, share in self.model.near(at)
        )
        of_mean = self._of_mean(rows.updates, ages, which, at)
        return quadratic[rows.of, which] * of_mean * rows.luck  # type: ignore[no-any-return]

    def _of_mean(self, updates: Floats, ages: Floats, which: Any, at: float) -> Floats:
        """What rows have moved, in harm, over the mean of their class at their age: a power of their updates.

        Their class's power of the age, between noise (1) and drift (2).
        """
        rows = self.rows
        of_classes: Any = sum(share * terms.power_at(ages) for terms, share in self.model.near(at))
        power = of_classes[rows.of, which]
        age = ages[which]
        often = rows.pace * age
        # E[i^j] of a Poisson law of mean x is about x^j (1 + 1/x)^(j − 1): exact for noise and for drift
        often = np.maximum(often, 1e-12)
        mean = (rows.pace / rows.mean_pace) ** power * (1 + 1 / often) ** (power - 1)
        found: Floats = over(updates, rows.mean_pace * age) ** power / self._in_class(mean)
        return found

    def _in_class(self, each: Floats) -> Floats:
        """The mean of each row's class."""
        of = self.rows.of
        found: Floats = (np.bincount(of, each) / np.maximum(np.bincount(of), 1))[of]
        return found


def _stand_ins(model: HarmModel, random: np.random.Generator, most: int) -> _Rows:
    last = model.terms[-1]
    weight, of, pace, mean = [], [], [], []
    for number, (rows, accesses) in enumerate(zip(last.rows, last.accesses, strict=True)):
        if accesses > 0:
            many = int(min(rows, most))
            one = model.classes[number]
            weight.append(np.full(many, rows / many))
            of.append(np.full(many, number))
            pace.append(paces(one.accesses_from, one.accesses_to, accesses / rows, many))
            mean.append(np.full(many, accesses / rows))
    classes = np.concatenate(of)
    size = len(classes)
    nothing = (np.zeros(size) for _ in range(4))
    updates, since, saved, behind = nothing
    return _Rows(
        weight=np.concatenate(weight),
        of=classes,
        pace=np.concatenate(pace),
        mean_pace=np.concatenate(mean),
        updates=updates,
        since=since,
        luck=random.standard_exponential(size),
        saved=saved,
        behind=behind,
    )


@lru_cache(maxsize=4096)
def paces(low: float, high: float, mean: float, many: int) -> Floats:
    """Accesses per sample of so many rows of a class: between its edges by the power law that has its mean.

    >>> paces(1.0, 4.0, 2.0, 4).round(3)
    array([1.142, 1.53 , 2.143, 3.185])
    """
    at = (np.arange(many) + 0.5) / many
    if not low < mean < high:
        return np.full(many, mean)
    least = max(low, high * _RAREST)

    def of(power: float) -> Any:
        if abs(power) < 1e-6:
            return least * (high / least) ** at
        ends = (least / high) ** power
        return high * (ends + at * (1 - ends)) ** (1 / power)

    below, above = -_STEEPEST, _STEEPEST
    for _ in range(_HALVINGS):
        power = (below + above) / 2
        below, above = (power, above) if of(power).mean() < mean else (below, power)
    found: Floats = of(power)
    found *= mean / found.mean()
    found.flags.writeable = False  # it is kept
    return found


def _shapes(model: HarmModel) -> Floats:
    """Of the gamma law of each class's luck: half the number of directions that ΔᵀℋΔ sums up."""
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
