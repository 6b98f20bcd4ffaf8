"""Whether plan's recommendation is the best of what was tried, and keeps the accuracy budget: chance apart.

Runs of a seed have the same failure times, but not as many failures: who takes longer has more of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from validation.experiment.design import RECOMMENDED
from validation.experiment.outcome import Outcome
from validation.experiment.verdict import Check, Verdict, at_most, interval_90, span

__all__ = ["overheads", "recommendation_checks", "within_budget"]


def overheads(outcome: Outcome, without_chance: bool = False) -> dict[str, dict[int, float]]:
    """For each strategy that was tried, by seed: overhead over useful time."""
    found: dict[str, dict[int, float]] = {}
    for run in outcome.tried():
        one = run.overhead_without_chance if without_chance else run.overhead
        found.setdefault(run.label, {})[run.seed] = one
    return found


def within_budget(outcome: Outcome, name: str) -> bool:
    """Whether a strategy's mean PLS keeps the accuracy budget, chance apart."""
    mean = float(np.mean([run.pls_without_chance for run in outcome.tried() if run.label == name]))
    return mean <= outcome.experiment.experiment.pls_budget


def _mean(by_seed: Mapping[int, float]) -> float:
    return float(np.mean(list(by_seed.values())))


def recommendation_checks(outcome: Outcome, tolerance: float) -> Iterator[Check]:
    best_of, keeps = "plan's recommendation is the best, or nearly", "plan's recommendation keeps the budget"
    all_of = overheads(outcome, without_chance=True)
    mine = all_of.pop(RECOMMENDED, None)
    if not mine:
        yield Check(best_of, "no run of it came to its end", Verdict.INCONCLUSIVE)
        return
    budget = outcome.experiment.experiment.pls_budget
    allowed = {name: found for name, found in all_of.items() if within_budget(outcome, name)}
    if allowed:
        yield _against_the_best(outcome, best_of, mine, allowed, tolerance)
    else:
        yield Check(best_of, f"nothing else that was tried keeps the budget of {budget:g}", Verdict.INCONCLUSIVE)
    lost = [run.pls_without_chance for run in outcome.tried() if run.label == RECOMMENDED]
    ratio, low, high = interval_90([pls - budget for pls in lost], [budget] * len(lost))
    said = (
        f"PLS {(1 + ratio) * budget:.3g} without chance, of a budget of {budget:g}: {100 * ratio:+.0f}% of it"
        f"{span(low, high)}, "
        f"at most {100 * tolerance:g}% more asked"
    )
    yield Check(keeps, said, at_most(low, high, tolerance))


def _against_the_best(
    outcome: Outcome,
    name: str,
    mine: Mapping[int, float],
    allowed: Mapping[str, Mapping[int, float]],
    tolerance: float,
) -> Check:
    best = min(allowed, key=lambda one: _mean(allowed[one]))
    seeds = sorted(set(mine) & set(allowed[best]))
    if not seeds:
        return Check(name, f"no seed has a run of it and of the best that was tried ({best})", Verdict.INCONCLUSIVE)
    differences = [mine[seed] - allowed[best][seed] for seed in seeds]
    ratio, low, high = interval_90(differences, [allowed[best][seed] for seed in seeds])
    assert outcome.recommended is not None
    recovery, steps = outcome.recommended
    said = (
        f"{recovery} recovery, every {steps} steps: overhead {100 * _mean(mine):.1f}% without chance; the best of "
        f"those tried within the accuracy budget ({best}): {100 * _mean(allowed[best]):.1f}%; difference "
        f"{100 * ratio:+.1f}% of it{span(low, high)}, at most {100 * tolerance:g}% asked"
    )
    return Check(name, said, at_most(low, high, tolerance))
