r"""What each order of saving rows costs in the metric: played out over the rows of a record, nothing else needed.

Every class of a record's rows has stand-ins. They are updated at random at their class's pace, an order chooses
some of them at each save, and failures put a share of them back. A row that has seen k updates since its save at
the age a costs k/(pa) times what its class costs on average at that age, and differs from others by chance as Δ
does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cprmodel.facts.errors import DomainError
from cprmodel.harm.predicted import HarmModel, crossed_and_beyond
from cprmodel.harm.statistics import AtAges, Floats, Terms

__all__ = ["HARM_ORDERS", "OrderHarm", "harm_of_failure", "harm_of_orders", "plays_of_failure"]

_STAND_INS = 120  # of a class of rows
_ROUNDS, _MOST_SLOTS = 3, 64  # full-save intervals before a failure that are played, in at most so many saves
_LOOKS, _MOMENTS = 4, 2  # at a play that goes on; and the moments of the run that each is taken for


@dataclass(frozen=True)
class OrderHarm:
    """One order of saving."""

    order: str
    rise: float  #: of the log loss at the end of the run [nat]
    standard_error: float  #: of the simulation
    auc_fall: float | None
    lost_updates: float  #: of a run, of all rows


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
    position: float
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


def harm_of_orders(
    model: HarmModel,
    fraction: float,
    every_samples: float,
    strikes: Sequence[float],
    lost_share: float,
    orders: Sequence[str] = tuple(HARM_ORDERS),
    draws: int = 8,
    seed: int = 1,
) -> dict[str, OrderHarm]:
    """Expected harm at the end of a run whose rows are saved some at a time.

    Parameters
    ----------
    model : predictions from a record
    fraction : share of the rows that a save takes
    every_samples : samples trained between two saves
    strikes : when failures strike [samples]
    lost_share : share of the rows that each puts back, by chance
    orders : of ``HARM_ORDERS``: ``everything`` at each save (whatever the fraction: what no order can go
        below); ``uniform``, all rows at every 1/fraction-th save; the largest distance moved (``scar``), updates
        times age, updates (``mfu``), ½pΔᵀHΔ (``least-harm``), or the rate of updates times the age squared, used
        or not (``best-fixed``) first
    draws : runs that are played
    seed : of their randomness, the same for each order

    Notes
    -----
    A failure restores rows as they were saved, and they go on from there; that what is lost later is then smaller
    or larger is left out (first order). Ages beyond the record's are reached along its powers.
    """
    _check(fraction, every_samples, lost_share, orders, draws)
    moments = np.sort(np.asarray(strikes, dtype=float))
    found = {}
    for order in orders:
        runs = []
        for draw in range(draws):
            random = np.random.default_rng([seed, draw])
            runs.append(_play(model, order, fraction, every_samples, moments, lost_share, random))
        found[order] = _summed(model, order, runs)
    return found


def harm_of_failure(
    model: HarmModel,
    fraction: float,
    every_samples: float,
    lost_share: float,
    orders: Sequence[str] = tuple(HARM_ORDERS),
    draws: int = 8,
    seed: int = 1,
) -> dict[str, OrderHarm]:
    """Expected harm at the end of one failure at a random moment of the run.

    Parameters are those of :func:`harm_of_orders`. Played from three full-save intervals before it on (at most 64
    saves), when all rows are as they were saved. Each draw is looked at four times within a full-save interval, and
    each look stands for two moments of the run, early and late ones: no row is older than the run then.
    """
    plays = plays_of_failure(model, fraction, every_samples, lost_share, orders, draws, seed)
    return {order: _summed(model, order, runs) for order, runs in plays.items()}


def plays_of_failure(
    model: HarmModel,
    fraction: float,
    every_samples: float,
    lost_share: float,
    orders: Sequence[str],
    draws: int = 8,
    seed: int = 1,
    stand_ins: int = _STAND_INS,
) -> dict[str, list[tuple[float, float]]]:
    """Rise and updates lost in each play of :func:`harm_of_failure`; those of one number share their randomness.

    ``stand_ins``: most of them in a class of rows.
    """
    _check(fraction, every_samples, lost_share, orders, draws)
    given = (fraction, every_samples, lost_share)
    return {
        order: [
            _looked_at(model, order, *given, np.random.default_rng([seed, draw]), stand_ins)
            for draw in range(draws)
        ]
        for order in orders
    }


def _looked_at(
    model: HarmModel,
    order: str,
    fraction: float,
    every: float,
    lost_share: float,
    random: np.random.Generator,
    stand_ins: int,
) -> tuple[float, float]:
    """Rise and updates lost by a failure, on average over looks at one play, each at moments all over the run."""
    turn = max(1, round(1 / fraction))
    if order != "uniform":  # whose saves take no choosing
        turn = min(turn, _MOST_SLOTS)
    begin = min(_ROUNDS * turn, _MOST_SLOTS - _MOST_SLOTS % turn)
    slots = np.floor((np.arange(_LOOKS) + random.random()) * turn / _LOOKS)
    since = (random.permutation(_LOOKS) + random.random(_LOOKS)) / _LOOKS  # a save, of the time to the next
    looks = np.sort((begin + slots + since) * every)
    strata = random.permutation(_LOOKS * _MOMENTS).reshape(_LOOKS, _MOMENTS)
    # much of the harm is that of failures near the end, after which little is learned: samples left go as a cube
    shares = (strata + random.random(strata.shape)) / strata.size
    moments, weights = (1 - shares**3) * model.record.samples, 3 * shares**2
    rise, lost = np.zeros(strata.shape), np.zeros(strata.shape)
    for number, (rows, at) in enumerate(_saved(model, order, fraction, every, looks, random, stand_ins)):
        each = _put_back(rows, np.full(len(rows.of), lost_share), at)
        for place, moment in enumerate(moments[number]):
            back = each.since(moment)
            rise[number, place], lost[number, place] = _harm(model, back, moment), back.updates_lost
    return float((weights * rise).mean()), float((weights * lost).mean())


def _check(fraction: float, every: float, lost_share: float, orders: Sequence[str], draws: int) -> None:
    if not (0 < fraction <= 1 and every > 0 and draws >= 1 and 0 <= lost_share <= 1):
        given = f"fraction = {fraction:g}, every_samples = {every:g}, lost_share = {lost_share:g}, draws = {draws}"
        raise DomainError(f"{given}: expected shares of at most 1, an interval above 0, and a draw")
    unknown = [one for one in orders if one not in HARM_ORDERS]
    if unknown:
        raise DomainError(f"order = {unknown[0]!r}: expected one of {', '.join(HARM_ORDERS)}")


def _summed(model: HarmModel, order: str, runs: Sequence[tuple[float, float]]) -> OrderHarm:
    rises, lost = np.array(runs).T
    rise = float(rises.mean())
    return OrderHarm(
        order=order,
        rise=rise,
        standard_error=float(rises.std(ddof=1) / math.sqrt(len(runs))) if len(runs) > 1 else math.inf,
        auc_fall=None if model.auc_per_nat is None else model.auc_per_nat * rise,
        lost_updates=float(lost.mean()),
    )


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


def _play(
    model: HarmModel,
    order: str,
    fraction: float,
    every: float,
    strikes: Floats,
    lost_share: float,
    random: np.random.Generator,
) -> tuple[float, float]:
    """Rise at the end, and updates lost, from the beginning of the run on."""
    rise, lost, shapes = 0.0, 0.0, _shapes(model)
    for rows, at in _saved(model, order, fraction, every, strikes, random):
        struck = random.random(len(rows.of)) < lost_share
        back = _put_back(rows, struck.astype(float), at)
        rise += _harm(model, back, at)
        lost += back.updates_lost
        _renew(rows, struck, at, shapes, random)
    return rise, lost


def _saved(
    model: HarmModel,
    order: str,
    fraction: float,
    every: float,
    moments: Floats,
    random: np.random.Generator,
    stand_ins: int = _STAND_INS,
) -> Iterator[tuple[_Rows, float]]:
    """The rows at some moments of a play that begins at 0, when all are as they were saved."""
    rows, last = _stand_ins(model, random, stand_ins), float(moments.max(initial=0.0))
    saves = np.arange(every, last, every)
    events = sorted(
        [(float(at), 0, number) for number, at in enumerate(saves, 1)] + [(float(at), 1, 0) for at in moments]
    )
    shapes, traces = _shapes(model), _traces(model)
    then = 0.0
    for at, looked_at, number in events:
        rows.updates += random.poisson(rows.pace * (at - then))
        then = at
        if looked_at:
            yield rows, at
        else:
            chosen = _chosen(model, order, fraction, rows, at, number, every, traces)
            _renew(rows, chosen, at, shapes, random)


def _renew(rows: _Rows, some: Any, at: float, shapes: Floats, random: np.random.Generator) -> None:
    """They are as they were saved."""
    rows.updates[some], rows.saved[some] = 0.0, at
    shape = shapes[rows.of[some]]
    rows.luck[some] = random.standard_gamma(shape) / shape


def _chosen(
    model: HarmModel,
    order: str,
    fraction: float,
    rows: _Rows,
    at: float,
    number: int,
    every: float,
    traces: Floats,
) -> Any:
    if order == "everything":
        return np.ones(len(rows.of), dtype=bool)
    if order == "uniform":
        return np.full(len(rows.of), number % max(1, round(1 / fraction)) == 0)
    rule = HARM_ORDERS[order]
    assert rule is not None
    slots = np.maximum(np.ceil((at - rows.saved) / every), 1.0)
    harm = _at_once(model, rows, at) if order in ("scar", "least-harm") else rows.updates
    index = rule(_Now(rows, at, slots, harm, traces[rows.of]))
    # equal ones by lot: as they lie, the tables that come first would always win
    first = np.lexsort((rows.luck, -index))
    budget = fraction * rows.weight.sum()
    chosen = np.zeros(len(rows.of), dtype=bool)
    chosen[first[np.cumsum(rows.weight[first]) <= budget * (1 + 1e-9)]] = True
    return chosen if order in _WHETHER_USED_OR_NOT else chosen & (rows.updates > 0)


def _at_once(model: HarmModel, rows: _Rows, at: float) -> Floats:
    """Expected quadratic harm of each stand-in's row, with its own updates and luck."""
    ages, which = np.unique(at - rows.saved, return_inverse=True)
    quadratic: Any = sum(
        share * terms.quadratic_at(ages) / np.maximum(terms.rows, 1.0)[:, None] for terms, share in model.near(at)
    )
    return quadratic[rows.of, which] * _of_mean(rows, at) * rows.luck  # type: ignore[no-any-return]


def _of_mean(rows: _Rows, at: float) -> Floats:
    """Updates since the save over those that were to be expected."""
    return _ratio(rows.updates, rows.pace * (at - rows.saved))


def _ratio(some: Floats, expected: Floats) -> Floats:
    found: Floats = np.where(expected > 0, some / np.where(expected > 0, expected, 1.0), 0.0)
    return found


@dataclass(frozen=True)
class _PutBack:
    """Rows that a failure puts back, each with the share of it that is, at ages that many have in common."""

    of: Any  # their classes
    ages: Floats
    which: Any  # of these ages is theirs
    updates: Floats  # that they lose, each times its weight and the share of it that is put back
    of_mean: Floats  # updates over those to be expected, times the same
    luck: Floats

    def since(self, begin: float) -> _PutBack:
        """The same no longer than this after training began: what they lose is as much less."""
        ages = np.minimum(self.ages, begin)
        return replace(self, ages=ages, updates=self.updates * _ratio(ages, self.ages)[self.which])

    @property
    def updates_lost(self) -> float:
        """Of all of them."""
        return float(self.updates.sum())


def _put_back(rows: _Rows, share: Floats, at: float) -> _PutBack:
    some = (share > 0) & (rows.updates > 0)
    ages, which = np.unique((at - rows.saved)[some], return_inverse=True)
    weight = (rows.weight * share)[some]
    return _PutBack(
        rows.of[some],
        ages,
        which,
        weight * rows.updates[some],
        weight * _of_mean(rows, at)[some],
        rows.luck[some],
    )


def _harm(model: HarmModel, back: _PutBack, at: float) -> float:
    """What is left at the end of putting rows back at a moment."""
    if not back.ages.size:
        return 0.0
    with_luck, without = (_shares(model, back, back.of_mean * luck) for luck in (back.luck, 1.0))
    total = 0.0
    for terms, part in model.near(at):
        at_ages = terms.at(back.ages, model.record.samples - at)
        quadratic, ratio = at_ages.quadratic * at_ages.quadratic_left, _progress(model, at_ages)
        each = quadratic * (with_luck * (1 + np.minimum(ratio, 0.0)) + without * np.maximum(ratio, 0.0))
        once = with_luck * at_ages.quadratic
        together = _together(terms, back.ages, once, float((with_luck * quadratic).sum()))
        total += part * (float(each.sum()) + together)
    return total


def _shares(model: HarmModel, back: _PutBack, each: Floats) -> Floats:
    """What these rows have of their class's harm [classes, ages]."""
    found = np.zeros((len(model.classes), len(back.ages)))
    np.add.at(found, (back.of, back.which), each)
    return found / np.maximum(model.terms[-1].rows, 1.0)[:, None]


def _progress(model: HarmModel, at: AtAges) -> Floats:
    """Gradient term over the quadratic, both as they are left: of rows of all tables that are used as often.

    Of one class it is mostly the probe's noise. At least −1: rows that are no better now than they were cost
    nothing. Below 0 it is jitter, which goes with the row's own Δ²; above, it is the way that rows went to where
    they belong, which does not.
    """
    uses, of = np.unique([one.accesses_to for one in model.classes], return_inverse=True)
    sums = np.zeros((2, len(uses), at.quadratic.shape[1]))
    np.add.at(sums[0], of, at.quadratic * at.quadratic_left)
    np.add.at(sums[1], of, at.gradient_end)
    ratio = np.where(sums[0] > 0, sums[1] / np.where(sums[0] > 0, sums[0], 1.0), 0.0)
    found: Floats = np.maximum(ratio, -1.0)[of]
    return found


def _together(terms: Terms, ages: Floats, once: Floats, left: float) -> float:
    """Cross terms and what Taylor leaves out, as for one age of all rows that costs as much at once."""
    whole = float(once.sum())
    if not whole > 0:
        return 0.0
    age = np.array([[float((once.sum(0) * ages).sum()) / whole]])
    at_age = terms.at(age, 0.0)
    share = min(1.0, whole / max(float(at_age.quadratic.sum()), 1e-300))
    crossed, beyond = crossed_and_beyond(terms, at_age, np.array([share]))
    return float((crossed + beyond)[0]) * left / whole


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
