r"""What each order of saving rows costs in the metric: played out over the rows of a record, nothing else needed.

Every class of a record's rows has stand-ins. They are updated at random at their class's pace, an order chooses
some of them at each save, and failures put a share of them back. A row that has seen k updates since its save at
the age a costs k/(pa) times what its class costs on average at that age, and differs from others by chance as Δ
does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cprmodel.facts.errors import DomainError
from cprmodel.harm.predicted import HarmModel, crossed_and_beyond
from cprmodel.harm.statistics import AtAges, Floats, Terms

__all__ = ["HARM_ORDERS", "OrderHarm", "harm_of_failure", "harm_of_orders"]

_STAND_INS = 120  # of a class of rows
_ROUNDS, _MOST_SLOTS = 3, 64  # full-save intervals before a failure that are played, in at most so many saves


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
}


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
        times age, updates (``mfu``), or ½pΔᵀHΔ (``least-harm``) first
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
    saves), when all rows are as they were saved; a draw for each part of the run.
    """
    _check(fraction, every_samples, lost_share, orders, draws)
    samples = float(model.record.samples)
    found = {}
    for order in orders:
        turn, runs = max(1, round(1 / fraction)), []
        if order != "uniform":  # whose saves take no choosing
            turn = min(turn, _MOST_SLOTS)
        slots = min(_ROUNDS * turn, _MOST_SLOTS - _MOST_SLOTS % turn)
        for draw in range(draws):
            random = np.random.default_rng([seed, draw])
            moment = (draw + random.random()) / draws * samples
            since = slots + random.random() * turn  # a turn may have just begun, or be about to end
            begin = max(0.0, moment - since * every_samples)
            runs.append(_play(model, order, fraction, every_samples, np.array([moment]), lost_share, random, begin))
        found[order] = _summed(model, order, runs)
    return found


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


def _stand_ins(model: HarmModel, random: np.random.Generator) -> _Rows:
    last = model.terms[-1]
    weight, of, pace = [], [], []
    for number, (rows, accesses) in enumerate(zip(last.rows, last.accesses, strict=True)):
        if accesses > 0:
            many = int(min(rows, _STAND_INS))
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
    begin: float = 0.0,
) -> tuple[float, float]:
    """Rise at the end, and updates lost, from a moment on at which all rows are as they were saved."""
    rows, last = _stand_ins(model, random), float(strikes.max(initial=begin))
    rows.saved[:] = begin
    saves = np.arange(begin + every, last, every)
    events = sorted(
        [(float(at), 0, number) for number, at in enumerate(saves, 1)] + [(float(at), 1, 0) for at in strikes]
    )
    shapes, traces = _shapes(model), _traces(model)
    then, rise, lost = begin, 0.0, 0.0
    for at, failed, number in events:
        rows.updates += random.poisson(rows.pace * (at - then))
        then = at
        if failed:
            struck = random.random(len(rows.of)) < lost_share
            rise += _harm(model, rows, struck, at)
            lost += float((rows.weight * rows.updates)[struck].sum())
            _renew(rows, struck, at, shapes, random)
        else:
            chosen = _chosen(model, order, fraction, rows, at, number, every, traces)
            _renew(rows, chosen, at, shapes, random)
    return rise, lost


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
    return chosen & (rows.updates > 0)


def _at_once(model: HarmModel, rows: _Rows, at: float) -> Floats:
    """Expected quadratic harm of each stand-in's row, with its own updates and luck."""
    ages, which = np.unique(at - rows.saved, return_inverse=True)
    quadratic: Any = sum(
        share * terms.quadratic_at(ages) / np.maximum(terms.rows, 1.0)[:, None] for terms, share in model.near(at)
    )
    return quadratic[rows.of, which] * _of_mean(rows, at) * rows.luck  # type: ignore[no-any-return]


def _of_mean(rows: _Rows, at: float) -> Floats:
    """Updates since the save over those that were to be expected."""
    expected = rows.pace * (at - rows.saved)
    found: Floats = np.where(expected > 0, rows.updates / np.where(expected > 0, expected, 1.0), 0.0)
    return found


def _harm(model: HarmModel, rows: _Rows, struck: Any, at: float) -> float:
    """What is left at the end of putting these rows back now."""
    some = struck & (rows.updates > 0)
    if not some.any():
        return 0.0
    ages, which = np.unique((at - rows.saved)[some], return_inverse=True)
    with_luck, without = (
        _shares(model, rows, some, which, len(ages), rows.weight * _of_mean(rows, at) * luck)
        for luck in (rows.luck, 1.0)
    )
    total = 0.0
    for terms, part in model.near(at):
        at_ages = terms.at(ages, model.record.samples - at)
        quadratic, ratio = at_ages.quadratic * at_ages.quadratic_left, _progress(model, at_ages)
        each = quadratic * (with_luck * (1 + np.minimum(ratio, 0.0)) + without * np.maximum(ratio, 0.0))
        together = _together(terms, ages, with_luck * at_ages.quadratic, float((with_luck * quadratic).sum()))
        total += part * (float(each.sum()) + together)
    return total


def _shares(model: HarmModel, rows: _Rows, some: Any, which: Any, ages: int, each: Floats) -> Floats:
    """What these rows have of their class's harm [classes, ages]."""
    found = np.zeros((len(model.classes), ages))
    np.add.at(found, (rows.of[some], which), each[some])
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
