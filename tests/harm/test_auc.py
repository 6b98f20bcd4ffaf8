"""AUC lost per nat: what probabilities say of logits that move, against an integral and against labels."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from cprmodel.harm.probing import auc_per_nat


def by_integral(mean: float, deviation: float) -> float:
    """∫f₊f₋dz / ∫σ'f dz: logits with density f, clicks f₊ = σf/π, none f₋ = (1 − σ)f/(1 − π).

    Logits that get noise of the same small variance v lose v∫f₊f₋/2 of AUC, since (log f₊/f₋)' = 1 where the model
    is calibrated, and v∫σ'f/2 of log loss.
    """

    def density(z: float) -> float:
        return float(norm.pdf(z, mean, deviation))

    def slope(z: float) -> float:
        return 1 / (2 + math.exp(z) + math.exp(-z))

    ends = mean - 12 * deviation, mean + 12 * deviation
    clicks = quad(lambda z: density(z) / (1 + math.exp(-z)), *ends)[0]
    weight = quad(lambda z: slope(z) * density(z), *ends)[0]
    return float(quad(lambda z: slope(z) * density(z) ** 2, *ends)[0] / (clicks * (1 - clicks)) / weight)


@pytest.mark.parametrize(("mean", "deviation"), [(0.0, 1.0), (-1.2, 0.9), (-3.0, 1.5), (1.0, 0.5)])
def test_small_noise_costs_what_the_integral_says(mean: float, deviation: float) -> None:
    """Over draws, within 4 standard errors and the 1% that noise of finite size may bend it."""
    random = np.random.default_rng(5)
    found = []
    for _ in range(12):
        z = random.normal(mean, deviation, 20_000)
        one = auc_per_nat(z, z + random.normal(0.0, 0.05, z.size))
        assert one is not None
        found.append(one)
    expected = by_integral(mean, deviation)
    error = float(np.std(found, ddof=1)) / math.sqrt(len(found))
    assert abs(np.mean(found) - expected) < 4 * error + 0.01 * expected


def test_labels_drawn_from_the_probabilities_agree() -> None:
    """Falls and rises of real labels, which scatter more: their ratio over many draws within 4 standard errors."""
    random = np.random.default_rng(6)
    said, falls, rises = [], [], []
    for _ in range(60):
        z = random.normal(-1.0, 1.0, 20_000)
        worse = z + random.normal(0.0, 0.3, z.size)
        y = random.random(z.size) < 1 / (1 + np.exp(-z))
        said.append(auc_per_nat(z, worse))
        falls.append(roc_auc_score(y, z) - roc_auc_score(y, worse))
        rises.append(float(np.mean(np.logaddexp(0, worse) - y * worse - np.logaddexp(0, z) + y * z)))
    ratio = np.mean(falls) / np.mean(rises)
    off = np.array(falls) - ratio * np.array(rises)
    error = float(off.std(ddof=1)) / math.sqrt(len(off)) / np.mean(rises)
    mean: Any = np.mean(said)  # type: ignore[arg-type]
    assert abs(mean - ratio) < 4 * error


def test_a_shift_is_no_loss_of_auc() -> None:
    random = np.random.default_rng(7)
    z, noise = random.normal(-1.0, 1.0, 50_000), random.normal(0.0, 0.1, 50_000)
    assert auc_per_nat(z, z + 0.2) is None
    shifted, alone = auc_per_nat(z, z + noise + 0.2), auc_per_nat(z, z + noise)
    assert shifted == pytest.approx(alone, rel=1e-6)
