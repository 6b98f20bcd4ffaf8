r"""What each order of saving rows costs in the metric: played out over the rows of a record, nothing else needed.

Every class of a record's rows has stand-ins. They are updated at random at their class's pace, an order chooses some
of them at each save, and failures put a share of them back. A row that has seen k updates since its save at the age a
costs k/(pa) times what its class costs on average at that age, and differs from others by chance as Δ does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cprmodel.facts.errors import DomainError
from cprmodel.harm.predicted import HarmModel, crossed_and_beyond
from cprmodel.harm.statistics import Floats, Terms

__all__ = ["HARM_ORDERS", "OrderHarm", "harm_of_orders"]

_STAND_INS = 120  # of a class of rows


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
    strikes: float | Sequence[float],
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
    strikes : failures of a run, on average, at random moments; or the moments themselves [samples]
    lost_share : share of the rows that each puts back, by chance
    orders : of :data:`HARM_ORDERS`: ``everything`` at each save (whatever the fraction: what no order can go
        below); ``uniform``, all rows at every 1/fraction-th save; the largest distance moved (``scar``), updates
        times age, updates (``mfu``), or ½pΔᵀHΔ (``least-harm``) first
    draws : runs that are played
    seed : of their randomness, the same for each order

    Notes
    -----
    A failure restores rows as they were saved, and they go on from there; that what is lost later is then smaller or
    larger is left out (first order). Ages beyond the record's are reached along its powers.
    """
    if not (0 < fraction <= 1 and every_samples > 0 and draws >= 1 and 0 <= lost_share <= 1):
        given = f"fraction = {fraction:g}, every_samples = {every_samples:g}, lost_share = {lost_share:g}"
        raise DomainError(f"{given}: expected shares of at most 1 and an interval above 0")
    unknown = [one for one in orders if one not in HARM_ORDERS]
    if unknown:
        raise DomainError(f"order = {unknown[0]!r}: expected one of {', '.join(HARM_ORDERS)}")
    found = {}
    for order in orders:
        runs = []
        for draw in range(draws):
            random = np.random.default_rng([seed, draw])
            runs.append(
                _play(model, order, fraction, every_samples, _moments(model, strikes, random), lost_share, random)
            )
        rises, lost = np.array(runs).T
        error = float(rises.std(ddof=1) / math.sqrt(draws)) if draws > 1 else math.inf
        rise = float(rises.mean())
        fall = None if model.auc_per_nat is None else model.auc_per_nat * rise
        found[order] = OrderHarm(order, rise, error, fall, float(lost.mean()))
    return found


def _moments(model: HarmModel, strikes: float | Sequence[float], random: np.random.Generator) -> Floats:
    if not np.ndim(strikes):
        return np.sort(random.random(random.poisson(float(strikes))) * model.record.samples)  # type: ignore[arg-type]
    return np.sort(np.asarray(strikes, dtype=float))


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
) -> tuple[float, float]:
    """Rise at the end, and updates lost."""
    rows, samples = _stand_ins(model, random), float(model.record.samples)
    saves = np.arange(1, math.ceil(samples / every)) * every
    events = sorted(
        [(float(at), 0, number) for number, at in enumerate(saves, 1)] + [(float(at), 1, 0) for at in strikes]
    )
    shapes, traces = _shapes(model), _traces(model)
    then = rise = lost = 0.0
    for at, failed, number in events:
        rows.updates += random.poisson(rows.pace * (at - then))
        then = at
        if failed:
            struck = random.random(len(rows.of)) < lost_share
            rise += _harm(model, rows, struck, at, lost_share)
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
        share * terms.at(ages, 0.0).quadratic / np.maximum(terms.rows, 1.0)[:, None]
        for terms, share in model.near(at)
    )
    return quadratic[rows.of, which] * _of_mean(rows, at) * rows.luck  # type: ignore[no-any-return]


def _of_mean(rows: _Rows, at: float) -> Floats:
    """Updates since the save over those that were to be expected."""
    expected = rows.pace * (at - rows.saved)
    found: Floats = np.where(expected > 0, rows.updates / np.where(expected > 0, expected, 1.0), 0.0)
    return found


def _harm(model: HarmModel, rows: _Rows, struck: Any, at: float, lost_share: float) -> float:
    """What is left at the end of putting these rows back now."""
    some = struck & (rows.updates > 0)
    if not some.any():
        return 0.0
    ages, which = np.unique((at - rows.saved)[some], return_inverse=True)
    total = 0.0
    for terms, part in model.near(at):
        at_ages = terms.at(ages, model.record.samples - at)
        shares = []
        for luck in (rows.luck, np.ones(len(rows.of))):  # the way to the best value has no part in the luck
            lost = np.zeros((len(terms.rows), len(ages)))
            np.add.at(lost, (rows.of[some], which), (rows.weight * _of_mean(rows, at) * luck)[some])
            shares.append(lost / np.maximum(model.terms[-1].rows, 1.0)[:, None])
        once = shares[0] * at_ages.quadratic
        left = float((once * at_ages.quadratic_left).sum())
        undone = float((shares[1] * at_ages.gradient * at_ages.gradient_left).sum())
        total += part * (left + undone + _together(terms, ages, once, left, lost_share))
    return total


def _together(terms: Terms, ages: Floats, once: Floats, left: float, lost_share: float) -> float:
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
