"""The stops of partial recovery as an absorbing Markov chain (docs/models/makespan.md).

No formula by itself: the makespan and the losses of partial recovery are made of it.
"""

from __future__ import annotations

from typing import NamedTuple

from cprmodel.facts.results import Breakdown
from cprmodel.facts.special import Number, namespace

__all__ = [
    "NEVER",
    "Pace",
    "Struck",
    "hit_of",
    "pace_of",
    "risk_of",
    "shares_of",
    "stale_lost",
    "struck_of",
    "until_complete",
]

#: A share of whole-job failures so small that they never come: without any, too, what follows is a number.
NEVER = 1e-15

#: Saves and stops this many times the MTBF are as bad as any longer: beyond, powers of e^(stop/μ) are no floats.
_ENDLESS = 100


class _Stop(NamedTuple):
    """A stop of partial recovery: how it ends and the expected time spent until then."""

    rolled_back: Number  # probability that a whole-job failure ends it (else it is repaired)
    load: Number
    reschedule: Number


def _stop(rate: Number, reschedule: Number, load: Number, w: Number, upgrade: tuple[Number, _Stop]) -> _Stop:
    """A recovery. When struck it starts again, becomes a larger one (``upgrade``), or all roll back (``w``)."""
    xp = namespace(rate, reschedule, load, w)
    clear = xp.exp(-rate * (reschedule + load))
    struck = -xp.expm1(-rate * (reschedule + load))
    rescheduling = reschedule * xp.exprel(-rate * reschedule)
    loading = xp.exp(-rate * reschedule) * load * xp.exprel(-rate * load)
    share, larger = upgrade
    once = clear + struck * (share + w)  # shares sum to 1: the probability that it does not start again
    return _Stop(
        rolled_back=_rolled_back(clear, struck, w, share, larger.rolled_back),
        load=(loading + struck * share * larger.load) / once,
        reschedule=(rescheduling + struck * share * larger.reschedule) / once,
    )


class _Ends(NamedTuple):
    """How a recovery of some length goes on: probabilities that sum to 1."""

    clear: Number  # no failure strikes it
    struck: Number


def _rolled_back(clear: Number, struck: Number, w: Number, share: Number, larger: Number) -> Number:
    """Probability that a recovery ends in a roll-back; ``larger``: that of the one that it may become."""
    return struck * (w + share * larger) / (clear + struck * (share + w))


class Pace(NamedTuple):
    """What partial recovery makes of working and saving; none of it depends on the interval."""

    stop_rate: Number  # failures per unit of progress, of every kind
    rolled_back: Number  # probability that a failure ends in a roll-back of everything
    stop_load: Number  # expected time of a failure's stop until it is repaired or rolls back
    stop_reschedule: Number
    back_load: Number  # expected time of a whole-job recovery
    back_reschedule: Number
    save: Number
    voids: Number  # saves made void per complete save, were there no roll-backs


def pace_of(
    save_s: Number,
    mtbf_s: Number,
    partial_load_s: Number = 0,
    partial_reschedule_s: Number = 0,
    shard_share: Number = 0,
    trainer_share: Number = 0,
    whole_job_share: Number = 1,
    trainer_reschedule_s: Number = 0,
    load_s: Number = 0,
    reschedule_s: Number = 0,
) -> Pace:
    """From what formulas are given of a recovery; by default all failures send everybody back."""
    s, t, w = shard_share, trainer_share, whole_job_share
    load, wait, trainer_wait = partial_load_s, partial_reschedule_s, trainer_reschedule_s
    xp = namespace(save_s, mtbf_s, load, wait, s, t, w, trainer_wait, load_s, reschedule_s)
    rate = 1 / mtbf_s
    both = _stop(rate, xp.maximum(wait, trainer_wait - load), load, w, (0, _Stop(0, 0, 0)))
    shard = _stop(rate, wait, load, w, (t, both))
    trainer = _stop(rate, trainer_wait, 0, w, (s, both))
    return Pace(
        stop_rate=rate,
        rolled_back=w + s * shard.rolled_back + t * trainer.rolled_back,
        stop_load=s * shard.load + t * trainer.load,
        stop_reschedule=s * shard.reschedule + t * trainer.reschedule,
        back_load=mtbf_s * xp.expm1(rate * load_s),
        back_reschedule=mtbf_s * xp.exp(rate * load_s) * xp.expm1(rate * reschedule_s),
        save=save_s,
        voids=xp.expm1(rate * save_s),
    )


def until_complete(pace: Pace, voids: Number) -> Number:
    """Activity of a save or a check until it is complete, those that stops make void included, C_b.

    With ρ the rate of roll-backs, e^(−ρC_b) is how likely it is to be complete in the end. ``voids``: e^(C/μ) − 1.
    """
    xp = namespace(*pace, voids)
    return xp.log1p(pace.rolled_back * voids) / (pace.stop_rate * pace.rolled_back)


def shares_of(
    pace: Pace, work: Number, spent: Number, activity: Number, backs: Number, again: Number, load: Number
) -> Breakdown:
    """What some work takes besides, as fractions of it; ``spent``: in saves and checks.

    Loads and waits are those of stops while there is activity, of roll-backs, and of loads ``again``, which follow
    no failure, but may be struck by one.
    """
    xp = namespace(*pace, activity, backs, again, load)
    rate = pace.stop_rate
    struck = -xp.expm1(-rate * load)
    loads = activity * rate * pace.stop_load + (backs + again * struck) * pace.back_load
    loads = loads + again * load * xp.exprel(-rate * load)
    waits = activity * rate * pace.stop_reschedule + (backs + again * struck) * pace.back_reschedule
    return Breakdown(
        save=spent / work,
        load=loads / work,
        lost=(activity - work - spent) / work,
        reschedule=waits / work,
    )


def hit_of(ends: tuple[_Ends, _Ends, _Ends], shares: tuple[Number, Number, Number], hit: Number) -> Number:
    """Probability that a failure is repaired without a roll-back, and one given shard is hit: at once or meanwhile.

    ``ends`` of a shard's, a trainer's and a common stop; ``shares``: s, t, w; ``hit``: probability that a shard
    failure hits that shard. Everything here is added up, nothing taken off, so small ones keep their digits.
    """
    s, t, w = shares
    (clear_s, struck_s), (clear_t, struck_t), (clear_b, struck_b) = ends
    missed = s * (1 - hit)
    # repaired, whatever is hit
    both = clear_b / (clear_b + struck_b * w)
    shard = (clear_s + struck_s * t * both) / (clear_s + struck_s * (t + w))
    # repaired, and the shard hit meanwhile
    hit_both = struck_b * s * hit * both / (clear_b + struck_b * (s * hit + w))
    hit_shard = struck_s * (s * hit * shard + t * hit_both) / (clear_s + struck_s * (s * hit + t + w))
    hit_trainer = struck_t * (s * hit * both + missed * hit_both) / (clear_t + struck_t * (s + w))
    return s * hit * shard + missed * hit_shard + t * hit_trainer


class Struck(NamedTuple):
    """What becomes of a failure, for one given shard (or one of several), and how often saves are made void."""

    hit: Number  # H: it is repaired, and hits the shard, at its start or during its stop
    back: Number  # b: it ends in a roll-back of everybody
    voids: Number  # v: saves made void per complete one, were there no roll-backs


def struck_of(
    save: Number,
    mtbf: Number,
    partial_load: Number,
    partial_reschedule: Number,
    shares: tuple[Number, Number, Number],
    trainer_reschedule: Number,
    hit: Number,
) -> Struck:
    """``hit``: probability that a shard failure hits the shard that is looked at."""
    xp = namespace(save, mtbf, partial_load, partial_reschedule, trainer_reschedule, hit, *shares)
    save, partial_load, partial_reschedule, trainer_reschedule = (
        -xp.maximum(-time, -_ENDLESS * mtbf)
        for time in (save, partial_load, partial_reschedule, trainer_reschedule)
    )
    s, t, w = shares
    rate, shard = 1 / mtbf, partial_load + partial_reschedule
    stops = (shard, trainer_reschedule, xp.maximum(shard, trainer_reschedule))
    of_shard, of_trainer, of_both = (_Ends(xp.exp(-rate * stop), -xp.expm1(-rate * stop)) for stop in stops)
    both = _rolled_back(*of_both, w, 0, 0)
    back = w + s * _rolled_back(*of_shard, w, t, both) + t * _rolled_back(*of_trainer, w, s, both)
    return Struck(hit_of((of_shard, of_trainer, of_both), shares, hit), back, xp.expm1(rate * save))


def risk_of(
    save: Number,
    mtbf: Number,
    hit: Number,
    partial_load: Number,
    partial_reschedule: Number,
    s: Number,
    t: Number,
    trainer_reschedule: Number,
) -> Struck:
    """What a failure does to the updates of one shard that are not saved, and what saves cost again."""
    xp = namespace(save, mtbf, hit, partial_load, partial_reschedule, s, t, trainer_reschedule)
    w = xp.maximum(1 - s - t, 0)
    return struck_of(save, mtbf, partial_load, partial_reschedule, (s, t, w), trainer_reschedule, hit)


def stale_lost(risk: Struck, x: Number, voids: Number) -> Number:
    """Share of the updates that the last save left out that is lost; ``x``: failures that take them, at work."""
    xp = namespace(x, voids, *risk)
    return -xp.expm1(-x - xp.log1p(voids * (risk.back + risk.hit)))
