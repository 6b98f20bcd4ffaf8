"""The SymPy backend of the special functions; imported only when a formula meets a symbol."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import SimpleNamespace
from typing import Any

import sympy as sp

__all__ = ["SYMPY", "RenewalRoot", "kept", "sympy_namespace"]


_LONG = 200  #: operations


class RenewalRoot(sp.Function):  # type: ignore[misc]
    """R(c), the root x in [0, 1) of x + log(1 − x) = −c, as a symbol that differentiates and evaluates.

    >>> c = sp.Symbol("c", positive=True)
    >>> RenewalRoot(c).diff(c)
    (1 - R(c))/R(c)
    >>> RenewalRoot(c).rewrite(sp.LambertW)
    LambertW(-exp(-c - 1)) + 1
    """

    nargs = 1

    @classmethod
    def eval(cls, c: Any) -> Any:
        return sp.S.Zero if c.is_zero else None

    def fdiff(self, argindex: int = 1) -> Any:
        return (1 - self) / self

    def _eval_rewrite_as_LambertW(self, c: Any, **_: Any) -> Any:  # noqa: N802 (SymPy's hook)
        return 1 + sp.LambertW(-sp.exp(-1 - c))

    def _eval_evalf(self, prec: int) -> Any:
        c = self.args[0]
        if not c.is_number:
            return None
        return (1 + sp.LambertW(-sp.exp(-1 - c.evalf(2 * prec)))).evalf(prec)

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        body = rf"R\left({printer._print(self.args[0])}\right)"
        return rf"{body}^{{{exp}}}" if exp else body

    def _sympystr(self, printer: Any) -> str:
        return f"R({printer._print(self.args[0])})"


def _where(condition: Any, yes: Any, no: Any) -> Any:
    return sp.Piecewise((yes, condition), (no, True))


def _maximum(one: Any, other: Any) -> Any:
    """The larger one; of long expressions SymPy would ask for minutes which that is."""
    return sp.Max(one, other, evaluate=sp.sympify(one).count_ops() + sp.sympify(other).count_ops() < _LONG)


def _exprel(z: Any) -> Any:
    return sp.S.One if sp.sympify(z).is_zero else (sp.exp(z) - 1) / z


def _phi2(z: Any) -> Any:
    return sp.S.Half if sp.sympify(z).is_zero else (sp.exp(z) - 1 - z) / z**2


def _phi3(z: Any) -> Any:
    return sp.Rational(1, 6) if sp.sympify(z).is_zero else (sp.exp(z) - 1 - z - z**2 / 2) / z**3


def _joint_gap(x: Any, y: Any) -> Any:
    return (_exprel(-y) - sp.exp(-x) * _exprel(x - y)) / x - _exprel(-x) ** 2 / 2


SYMPY = SimpleNamespace(
    name="sympy",
    exp=sp.exp,
    expm1=lambda z: sp.exp(z) - 1,
    log=sp.log,
    log1p=lambda z: sp.log(1 + z),
    sqrt=sp.sqrt,
    maximum=_maximum,
    where=_where,
    exprel=_exprel,
    quotient=lambda a, b: a / b,
    erlang_root=lambda c: -1 - sp.LambertW((c - 1) / sp.E, -1),
    erlang_loss=lambda m, rho: rho**m * sp.exp(-rho) / sp.uppergamma(m + 1, rho),
    renewal_root=RenewalRoot,
    phi2=_phi2,
    phi3=_phi3,
    joint_gap=_joint_gap,
    floor=sp.floor,
    log1p_gap=lambda z: z - sp.log(1 + z),
    intervals=lambda work, interval: sp.ceiling(work / interval),
    gamma_ratio=lambda a, b: sp.gamma(a) / sp.gamma(b),
    half=sp.S.Half,
    above_zero=lambda share: share,
    infinite_at_zero=lambda share, value: value,
)

#: Special functions under their own names, for a program that is printed: written out, they lose digits.
KEPT = SimpleNamespace(
    name="sympy",
    exp=sp.exp,
    log=sp.log,
    sqrt=sp.sqrt,
    where=_where,
    floor=sp.floor,
    half=sp.S.Half,
    above_zero=lambda share: _where(sp.sympify(share) > 0, share, sp.S.One),
    infinite_at_zero=lambda share, value: _where(sp.sympify(share) > 0, value, sp.oo),
    **{
        name: sp.Function(name)
        for name in (
            "erlang_loss",
            "erlang_root",
            "expm1",
            "exprel",
            "gamma_ratio",
            "intervals",
            "joint_gap",
            "log1p",
            "log1p_gap",
            "maximum",
            "phi2",
            "phi3",
            "quotient",
            "renewal_root",
        )
    },
)

_IN_USE: ContextVar[SimpleNamespace] = ContextVar("sympy_namespace", default=SYMPY)


def sympy_namespace() -> SimpleNamespace:
    """What formulas get for symbols: SYMPY, or within :func:`kept` KEPT."""
    return _IN_USE.get()


@contextmanager
def kept() -> Iterator[None]:
    """Within, special functions of symbols stay functions of their own names.

    >>> from cprmodel.facts.special import namespace
    >>> z = sp.Symbol("z")
    >>> with kept():
    ...     namespace(z).phi2(z)
    phi2(z)
    """
    token = _IN_USE.set(KEPT)
    try:
        yield
    finally:
        _IN_USE.reset(token)
