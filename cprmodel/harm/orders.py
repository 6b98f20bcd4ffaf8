r"""What each order of saving rows costs in the metric: played out over the rows of a record, nothing else needed.

Every class of a record's rows has stand-ins. They are updated at random, each at a pace of its own, an order
chooses some of them at each save, and failures put a share of them back. What a row costs goes with a power of its
updates since the save, over the mean of that in its class at its age, and differs from others by chance as Δ does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cprmodel.facts.errors import DomainError
from cprmodel.harm.predicted import HarmModel
from cprmodel.harm.put_back import harm_of
from cprmodel.harm.saved_rows import HARM_ORDERS, STAND_INS, SavedRows
from cprmodel.harm.statistics import Floats

__all__ = ["HARM_ORDERS", "OrderHarm", "harm_of_failure", "harm_of_orders", "plays_of_failure"]

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
        times age, updates (``mfu``), ½pₐΔᵀℋΔ (``least-harm``), or the rate of updates times the age squared, used
        or not (``best-fixed``) first
    draws : runs that are played
    seed : of their randomness, the same for each order

    Notes
    -----
    A failure restores rows as they were saved, and they go on from there. What an earlier failure had put back to
    the same copy is put back again then, and costs once. Ages beyond the record's are reached along its powers.
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
    stand_ins: int = STAND_INS,
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
    play = SavedRows(model, order, fraction, every, random, stand_ins)
    all_alike = np.full(len(play.rows.of), lost_share)
    for number, at in enumerate(play.at(looks)):
        each = play.put_back(all_alike, at)
        for place, moment in enumerate(moments[number]):
            back = each.since(moment)
            rise[number, place], lost[number, place] = harm_of(model, back, moment), back.updates_lost
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
    lost, play = 0.0, SavedRows(model, order, fraction, every, random)
    for at in play.at(strikes):
        lost += play.strike(random.random(len(play.rows.of)) < lost_share, at)
    return sum(harm_of(model, back, at) for at, back in play.costs()), lost
