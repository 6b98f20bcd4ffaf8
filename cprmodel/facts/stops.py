"""What becomes of a failure under partial recovery: it is repaired, or everybody rolls back."""

from __future__ import annotations

from cprmodel.facts.special import Number, namespace

__all__ = ["spared"]


def spared(
    mtbf_s: Number,
    stops: tuple[Number, Number, Number],
    shard_share: Number,
    trainer_share: Number,
    hit: Number,
) -> Number:
    """Probability that a failure is repaired without a roll-back and without one given shard being hit.

    A failure during the stop starts it again, for all that is pending then. ``stops``: lengths of a shard's, a
    trainer's and a common stop [s]; ``hit``: that a shard failure hits that shard (0: no shard is looked at).

    >>> no_stops = (0.0, 0.0, 0.0)  # a failure hits the shard, or everybody, or else it is repaired
    >>> round(float(spared(100.0, no_stops, 0.8, 0.1, 0.25)), 9)
    0.7
    """
    xp = namespace(mtbf_s, shard_share, trainer_share, hit, *stops)
    shard, trainer, both = (stop / mtbf_s for stop in stops)
    missed = shard_share * (1 - hit)
    from_both = xp.exp(-both) / (1 + xp.expm1(-both) * (missed + trainer_share))
    from_shard = (xp.exp(-shard) - xp.expm1(-shard) * trainer_share * from_both) / (1 + xp.expm1(-shard) * missed)
    from_trainer = (xp.exp(-trainer) - xp.expm1(-trainer) * missed * from_both) / (
        1 + xp.expm1(-trainer) * trainer_share
    )
    return missed * from_shard + trainer_share * from_trainer
