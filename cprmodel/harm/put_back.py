"""What rows that a failure puts back cost at the end of the run, each with its own updates and luck."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cprmodel.formulas.relearning import joint_share_left
from cprmodel.harm.predicted import HarmModel, crossed_and_beyond
from cprmodel.harm.statistics import AtAges, Floats, Terms

__all__ = ["PutBack", "harm_of", "over"]


def over(some: Floats, expected: Floats) -> Floats:
    """A ratio; 0 where nothing is to be expected."""
    found: Floats = np.where(expected > 0, some / np.where(expected > 0, expected, 1.0), 0.0)
    return found


@dataclass(frozen=True)
class PutBack:
    """Rows that a failure puts back, each with the share of it that is, at ages that many have in common."""

    of: Any  # their classes
    ages: Floats
    which: Any  # of these ages is theirs
    updates: Floats  # that they lose, each times its weight and the share of it that is put back
    of_mean: Floats  # updates over those to be expected, times the same
    luck: Floats

    def since(self, begin: float) -> PutBack:
        """The same no longer than this after training began: what they lose is as much less."""
        ages = np.minimum(self.ages, begin)
        return replace(self, ages=ages, updates=self.updates * over(ages, self.ages)[self.which])

    @property
    def updates_lost(self) -> float:
        """Of all of them."""
        return float(self.updates.sum())


def harm_of(model: HarmModel, back: PutBack, at: float) -> float:
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


def _shares(model: HarmModel, back: PutBack, each: Floats) -> Floats:
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
    found: Floats = np.maximum(over(sums[1], sums[0]), -1.0)[of]
    return found


def _together(terms: Terms, ages: Floats, once: Floats, left: float) -> float:
    """Cross terms and what Taylor leaves out, as for one age of all rows that costs as much at once.

    Rows have it in common, and make it good together.
    """
    whole = float(once.sum())
    if not whole > 0:
        return 0.0
    age = np.array([[float((once.sum(0) * ages).sum()) / whole]])
    at_age = terms.at(age, 0.0)
    share = min(1.0, whole / max(float(at_age.quadratic.sum()), 1e-300))
    crossed, beyond = crossed_and_beyond(terms, at_age, np.array([share]))
    contraction = -math.log(max(left / whole, 1e-300)) / 2
    more = max(float(at_age.crossed[0, 0]), 0.0)
    return float((crossed + beyond)[0] * joint_share_left.raw(max(contraction, 0.0), more))
