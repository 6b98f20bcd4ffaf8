"""What a page draws of a trace against scipy.stats."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy import stats

from cprmodel.fitting import Fit
from cprmodel.fitting.survival import kaplan_meier, survival_and_hazard


@pytest.mark.parametrize(("censored", "rounded"), [(0.0, False), (0.3, False), (0.3, True), (0.9, True)])
def test_kaplan_meier_and_its_band(censored: float, rounded: bool) -> None:
    """Also where times are equal, and interruptions and ends of the observation with them."""
    random = np.random.default_rng(3)
    times = random.weibull(0.8, 300) * 20
    times = np.ceil(times) if rounded else times
    observed = random.random(300) >= censored
    curve = stats.ecdf(stats.CensoredData(uncensored=times[observed], right=times[~observed])).sf
    found = kaplan_meier(times, observed)
    np.testing.assert_array_equal(found.times_s, curve.quantiles)
    np.testing.assert_allclose(found.share, curve.probabilities, rtol=1e-12, atol=1e-15)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)  # the band is undefined where everything has survived
        band = curve.confidence_interval(0.9, method="log-log")
    known = (curve.probabilities > 0) & (curve.probabilities < 1)
    np.testing.assert_array_equal(np.isfinite(found.low), known)
    np.testing.assert_allclose(found.low[known], band.low.probabilities[known], rtol=1e-9)
    np.testing.assert_allclose(found.high[known], band.high.probabilities[known], rtol=1e-9)


@pytest.mark.parametrize(
    "law",
    [
        Fit("exponential", None, 3600.0, 0.0),
        Fit("weibull", 0.7, 5000.0, 0.0),
        Fit("weibull", 2.5, 5000.0, 0.0),
        Fit("gamma", 0.4, 900.0, 0.0),
        Fit("gamma", 30.0, 100.0, 0.0),
        Fit("lognormal", 1.3, 2000.0, 0.0),
    ],
)
def test_survival_and_hazard(law: Fit) -> None:
    times = np.geomspace(1.0, 2e4, 50)
    survival, hazard = survival_and_hazard(law, times)
    np.testing.assert_allclose(survival, law.distribution.sf(times), rtol=1e-10)
    some = survival > 1e-200
    expected = law.distribution.pdf(times[some]) / law.distribution.sf(times[some])
    np.testing.assert_allclose(hazard[some], expected, rtol=1e-9)
