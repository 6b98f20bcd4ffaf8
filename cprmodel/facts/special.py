r"""Special functions that the formulas need, each with a backend for NumPy, SymPy and mpmath.

A formula asks :func:`namespace` for the functions that fit its arguments and is then written once.

``renewal_root``
    R(c), the root x in [0, 1) of ``x + log(1 − x) = −c``; R(c) = 1 + W₀(−e^(−1−c)).
    It gives the exact optimal interval, τ = μ·R(C/μ). Written with Lambert's W it loses half its digits
    near c = 0, so the NumPy backend uses the series in √(2c) there (the expansion of Temme 1979, DLMF 8.12;
    coefficients from the recurrence of x·x' = s(1 − x), radius of convergence 2√π).
``phi2``
    (e^z − 1 − z)/z², the second φ function of exponential integrators; x·phi2(−x) is the expected lost share
    of an interval.
``phi3``
    (e^z − 1 − z − z²/2)/z³, the next one; it gives second moments of interrupted times.
``joint_gap``
    e[0, −x, −y] − e[0, −x, −2x], the difference of two second divided differences of the exponential: what two
    shards lose together because failures take both of them, without cancellation.
``log1p_gap``
    z − log(1 + z) without cancellation.
``exprel``
    (e^z − 1)/z.
``erlang_root``
    The root x ≥ 0 of 1 − (1 + x)e^(−x) = c, infinite for c ≥ 1: a quantile of the Erlang law of two stages. It
    gives the interval for freshness; x = −1 − W₋₁(−(1 − c)/e), which loses half its digits near c = 0.
``cubic_root``
    The root x ≥ 0 of x³ = ax + b for a, b ≥ 0, the only one above 0; √a where b = 0, ∛b where a = 0.
``intervals``
    ⌈T/τ⌉, the number of pieces that saves every τ cut a job of length T into; a ratio within 1e-12 of a whole
    number counts as whole, so that T/(T/N_τ) is N_τ.
``erlang_loss``
    x^i e^(−x)/Γ(i + 1, x), Erlang's loss formula: a Poisson probability over its cumulative one.
``floor``
    The greatest whole number that is not above z.
``quotient``
    a/b, infinite where b is 0 (also where a is).
``above_zero``, ``infinite_at_zero``
    For a formula that divides by a share: on arrays, shares of 0 give infinity and no warning.
"""

from __future__ import annotations

import math
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np

__all__ = ["Number", "namespace", "series"]

#: A float, a NumPy array, a SymPy expression or an mpmath number.
Number = Any

_SERIES_TERMS = 30
_SERIES_LIMIT = 0.5  # s = √(2c) ≤ 1, so the last of 30 terms is (1/(2√π))³⁰ ≈ 3e-17 of the first


def _renewal_series() -> list[float]:
    """Coefficients a₁, a₂, … of x(s) = Σ aₙ sⁿ, from x·x' = s(1 − x) with x = s + …"""
    a = [0.0, 1.0]
    for n in range(2, _SERIES_TERMS + 1):
        products = sum(a[i] * a[n + 1 - i] for i in range(2, n))
        a.append(-a[n - 1] / (n + 1) - products / 2)
    return a


_RENEWAL_SERIES = _renewal_series()
_PHI_SERIES = {p: [1.0 / math.factorial(k + p) for k in range(20)] for p in (2, 3)}
_PLASTIC = 1.324717957244746  # x³ = x + 1
_ATANH_SERIES = [1.0 / (2 * k + 3) for k in range(16)]


def series() -> dict[str, list[float]]:
    """Coefficients of the NumPy backend's series, for a backend in another language."""
    return {
        "renewal_root": list(_RENEWAL_SERIES),
        "phi2": list(_PHI_SERIES[2]),
        "phi3": list(_PHI_SERIES[3]),
        "atanh": list(_ATANH_SERIES),
    }


def _scipy() -> Any:
    """SciPy's special functions, loaded where one is needed: they take long to load."""
    from scipy import special

    return special


def _exprel_numpy(z: Number) -> Number:
    if isinstance(z, float):  # a number by itself is quicker without arrays
        try:
            return np.float64(math.expm1(z) / z if z and z != math.inf else max(z, 1.0))
        except OverflowError:
            return np.float64(np.inf)
    z = np.asarray(z, dtype=float)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        found = np.expm1(z) / z
    if np.isfinite(found).all():
        return found
    return np.where(z == 0, 1.0, np.where(z == np.inf, np.inf, found))


def _renewal_root_numpy(c: Number) -> Number:
    c = np.asarray(c, dtype=float)
    near = _polynomial(np.sqrt(2 * np.minimum(c, _SERIES_LIMIT)), _RENEWAL_SERIES)
    if np.all(c < _SERIES_LIMIT):
        return near
    # y = 1 − x solves y = a·e^y with a ≤ 0.23: from its series on, each of Newton's steps doubles the digits
    a = np.exp(-1 - np.maximum(c, _SERIES_LIMIT))
    y = a * (1 + a * (1 + a * (1.5 + a * 8 / 3)))
    for _ in range(4):
        grown = a * np.exp(y)
        y = y - (y - grown) / (1 - grown)
    return np.where(c < _SERIES_LIMIT, near, 1 - y)


def _polynomial(x: Number, coefficients: list[float]) -> Number:
    """Σ cₙ xⁿ by Horner's rule, in the order of NumPy's ``polyval`` but without its preparations."""
    found = coefficients[-1] + 0 * x
    for one in coefficients[-2::-1]:
        found = found * x + one
    return found


def _phi2_numpy(z: Number) -> Number:
    if isinstance(z, float):
        if abs(z) < 1:
            return np.float64(_polynomial(float(z), _PHI_SERIES[2]))
        return (np.expm1(z) - z) / np.float64(z) ** 2
    z = np.asarray(z, dtype=float)
    small = np.abs(z) < 1
    if small.all():
        return _polynomial(z, _PHI_SERIES[2])
    near = _polynomial(np.where(small, z, 0), _PHI_SERIES[2]) if small.any() else 0.0
    safe = np.where(small, 1, z)
    return np.where(small, near, (np.expm1(safe) - safe) / safe**2)


def _phi3_numpy(z: Number) -> Number:
    if isinstance(z, float):
        if abs(z) < 1:
            return np.float64(_polynomial(float(z), _PHI_SERIES[3]))
        return (_phi2_numpy(z) - 0.5) / z
    z = np.asarray(z, dtype=float)
    small = np.abs(z) < 1
    if small.all():
        return _polynomial(z, _PHI_SERIES[3])
    near = _polynomial(np.where(small, z, 0), _PHI_SERIES[3]) if small.any() else 0.0
    safe = np.where(small, 1, z)
    return np.where(small, near, (_phi2_numpy(safe) - 0.5) / safe)


def _log1p_gap_numpy(z: Number) -> Number:
    z = np.asarray(z, dtype=float)
    small = np.abs(z) < 0.5
    near = np.where(small, z, 0)
    r = near / (2 + near)  # log(1 + z) = 2 artanh(r)
    gap = r * near - 2 * r**3 * _polynomial(r**2, _ATANH_SERIES)
    return np.where(small, gap, z - np.log1p(z))


def _joint_gap_numpy(x: Number, y: Number) -> Number:
    if isinstance(x, float) and isinstance(y, float) and x < 0.5:  # a number by itself, as above
        return np.float64(_near_gap(float(x), float(y)))
    x, y = np.broadcast_arrays(np.asarray(x, dtype=float), np.asarray(y, dtype=float))
    small = x < 0.5
    near = _near_gap(np.where(small, x, 0.0), np.where(small, y, 0.0))
    safe, other = np.where(small, 1.0, x), np.where(small, 1.5, y)
    far = (_exprel_numpy(-other) - np.exp(-safe) * _exprel_numpy(safe - other)) / safe
    return np.where(small, near, far - _exprel_numpy(-safe) ** 2 / 2)


def _near_gap(a: Number, b: Number) -> Number:
    """(2a − b) e[0, −a, −b, −2a] = (2a − b) Σ (−1)ⁿ hₙ(a, b, 2a)/(n + 3)!, h complete homogeneous."""
    one, two, three = 1.0, 1.0, 1.0
    near, factor = 1.0 / 6.0, 1.0 / 6.0
    for n in range(1, 20):
        one = one * a
        two = one + b * two
        three = two + 2 * a * three
        factor = -factor / (n + 3)
        near = near + factor * three
    return (2 * a - b) * near


def _erlang_root_numpy(c: Number) -> Number:
    return _scipy().gammaincinv(2.0, np.minimum(np.asarray(c, dtype=float), 1.0))


def _erlang_loss_numpy(servers: Number, load: Number) -> Number:
    m, rho = np.broadcast_arrays(np.asarray(servers, dtype=float), np.asarray(load, dtype=float))
    below = _scipy().gammaincc(m + 1, rho)  # probability that a Poisson number of mean ρ is at most m
    far = below < 1e-250  # m lies so far below ρ that both parts vanish: 1/B = 1 + m/ρ + m(m − 1)/ρ² + ...
    with np.errstate(divide="ignore", invalid="ignore"):
        near = np.exp(_scipy().xlogy(m, rho) - rho - _scipy().gammaln(m + 1)) / below
    total, term, k = np.ones(m.shape), np.ones(m.shape), 0
    while np.any(far & (term > 1e-17 * total)):
        term = np.where(far, term * np.maximum(m - k, 0) / rho, 0.0)
        total, k = total + term, k + 1
    return np.where(far, 1 / total, near)


def _cubic_root_numpy(a: Number, b: Number) -> Number:
    a, b = np.broadcast_arrays(np.asarray(a, dtype=float), np.asarray(b, dtype=float))
    scale = np.maximum(np.sqrt(a), np.cbrt(b))
    safe = np.where(scale > 0, scale, 1.0)
    x, a, b = np.full(a.shape, _PLASTIC), a / safe**2, b / safe / safe**2
    for _ in range(6):  # now x is in [1, 1.325]; Newton from above, each step doubles the digits
        x = x - (x * (x * x - a) - b) / (3 * x * x - a)
    return x * scale


def _quotient_numpy(a: Number, b: Number) -> Number:
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        found = np.divide(a, b)
    if np.ndim(a) == 0 and a > 0:
        return found  # no 0/0 to mend: large arrays are gone through once
    return np.where(np.equal(b, 0), np.inf, found)


def _intervals_numpy(work: Number, interval: Number) -> Number:
    ratio = np.asarray(work, dtype=float) / interval
    return np.maximum(np.ceil(ratio * (1 - 1e-12)), 1)


NUMPY = SimpleNamespace(
    name="numpy",
    exp=np.exp,
    expm1=np.expm1,
    log=np.log,
    log1p=np.log1p,
    sqrt=np.sqrt,
    maximum=np.maximum,
    where=np.where,
    exprel=_exprel_numpy,
    erlang_root=_erlang_root_numpy,
    erlang_loss=_erlang_loss_numpy,
    cubic_root=_cubic_root_numpy,
    quotient=_quotient_numpy,
    renewal_root=_renewal_root_numpy,
    phi2=_phi2_numpy,
    phi3=_phi3_numpy,
    joint_gap=_joint_gap_numpy,
    floor=np.floor,
    log1p_gap=_log1p_gap_numpy,
    intervals=_intervals_numpy,
    gamma_ratio=lambda a, b: np.exp(_scipy().gammaln(a) - _scipy().gammaln(b)),
    half=0.5,
    above_zero=lambda share: np.where(np.asarray(share) > 0, share, 1.0),
    infinite_at_zero=lambda share, value: np.where(np.asarray(share) > 0, value, np.inf),
)


def _mpmath_backend() -> SimpleNamespace:
    import mpmath as mp

    def renewal_root(c: Number) -> Number:
        with mp.workprec(2 * mp.mp.prec + 20):  # the branch point costs half the digits: carry twice as many
            return 1 + mp.lambertw(-mp.exp(-1 - c)).real

    def phi2(z: Number) -> Number:
        with mp.workprec(3 * mp.mp.prec + 20):
            return (mp.expm1(z) - z) / z**2 if z else mp.mpf(1) / 2

    def phi3(z: Number) -> Number:
        with mp.workprec(4 * mp.mp.prec + 20):
            return (mp.expm1(z) - z - z**2 / 2) / z**3 if z else mp.mpf(1) / 6

    def joint_gap(x: Number, y: Number) -> Number:
        if not x:
            return mp.mpf(0)
        with mp.workprec(4 * mp.mp.prec + 20):
            both = mp.expm1(-y) / -y, mp.exp(-x) * (mp.expm1(x - y) / (x - y) if x != y else 1)
            return (both[0] - both[1]) / x - (mp.expm1(-x) / x) ** 2 / 2

    def log1p_gap(z: Number) -> Number:
        with mp.workprec(3 * mp.mp.prec + 20):
            return z - mp.log1p(z)

    def cubic_root(a: Number, b: Number) -> Number:
        if not a or not b:
            return mp.sqrt(a) + mp.cbrt(b)
        x = mp.mpf(_PLASTIC) * max(mp.sqrt(a), mp.cbrt(b))
        for _ in range(5 + int(mp.log(mp.mp.prec, 2))):  # from above: each step doubles the digits
            x -= (x * (x * x - a) - b) / (3 * x * x - a)
        return x

    def erlang_root(c: Number) -> Number:
        if c >= 1:
            return mp.inf
        with mp.workprec(2 * mp.mp.prec + 20):
            return -1 - mp.lambertw(-(1 - c) / mp.e, -1).real

    return SimpleNamespace(
        name="mpmath",
        exp=mp.exp,
        expm1=mp.expm1,
        log=mp.log,
        log1p=mp.log1p,
        sqrt=mp.sqrt,
        maximum=max,
        where=lambda condition, yes, no: yes if condition else no,
        exprel=lambda z: mp.expm1(z) / z if z else mp.mpf(1),
        erlang_root=erlang_root,
        erlang_loss=lambda m, rho: rho**m * mp.exp(-rho) / mp.gammainc(m + 1, rho),
        cubic_root=cubic_root,
        quotient=lambda a, b: a / b if b else mp.inf,
        renewal_root=renewal_root,
        phi2=phi2,
        phi3=phi3,
        joint_gap=joint_gap,
        floor=mp.floor,
        log1p_gap=log1p_gap,
        intervals=lambda work, interval: max(mp.ceil(work / interval), 1),
        gamma_ratio=lambda a, b: mp.gammaprod([a], [b]),
        half=mp.mpf(1) / 2,
        above_zero=lambda share: share,
        infinite_at_zero=lambda share, value: value,
    )


def _is_from(module: str, values: tuple[Number, ...]) -> bool:
    return any((type(value).__module__ or "").partition(".")[0] == module for value in values)


def namespace(*values: Number) -> Any:
    """The functions (``exp``, ``sqrt``, ``renewal_root``, …) that fit these arguments.

    SymPy and mpmath are looked at only when they are already loaded, so plain numbers never import them.

    >>> float(namespace(1.0).renewal_root(0.0))
    0.0
    >>> import sympy
    >>> namespace(sympy.Symbol("c")).name
    'sympy'
    """
    if "sympy" in sys.modules and _is_from("sympy", values):
        from cprmodel.facts.symbolic import sympy_namespace

        return sympy_namespace()
    if "mpmath" in sys.modules and _is_from("mpmath", values):
        return _mpmath_backend()
    return NUMPY
