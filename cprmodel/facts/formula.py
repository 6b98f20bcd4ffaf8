"""What makes a function a formula: its source, its validity, its domain checks, and its symbols.

A formula's body is written once, as the paper's line, over floats, NumPy arrays, SymPy symbols and mpmath
numbers. The decorator adds what every formula needs and none should repeat:

* numbers outside an argument's domain raise :class:`~cprmodel.facts.errors.DomainError` naming the argument;
* numbers outside the validity range warn with :class:`~cprmodel.facts.errors.ValidityWarning`;
* a result beyond what a float can hold is infinite, and one that would be NaN raises DomainError;
* ``formula.raw`` is the bare body (no checks: for planners, which report validity themselves);
* ``formula.about`` says where it comes from; ``formula.symbols()`` and ``formula.expression()`` give SymPy.
"""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any, Generic, ParamSpec, Protocol, TypeVar

import numpy as np

from cprmodel.facts.errors import DomainError, ValidityWarning
from cprmodel.facts.nomenclature import NOMENCLATURE, Domain
from cprmodel.facts.sources import Evidence, Source

__all__ = ["About", "Formula", "Validity", "formula"]

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class Validity:
    """A quantity that must not exceed a bound for the formula to be a good approximation.

    ``of`` is a pure function of the formula's arguments, over what formulas are over.
    """

    quantity: str
    of: Callable[..., Any]
    at_most: float
    because: str

    @functools.cached_property
    def _names(self) -> tuple[str, ...]:
        return tuple(inspect.signature(self.of).parameters)

    def outside(self, arguments: dict[str, Any]) -> str | None:
        """The sentence to print when the arguments leave the range, or None."""
        reached = np.asarray(self.of(**{name: _as_numbers(arguments[name]) for name in self._names}))
        if reached.size == 0 or np.max(reached) <= self.at_most:
            return None
        worst = float(np.max(reached))
        return f"{self.quantity} = {worst:.3g} is above {self.at_most:.3g}: {self.because}"

    def __str__(self) -> str:
        return f"{self.quantity} ≤ {self.at_most:g} ({self.because})"


@dataclass(frozen=True)
class About:
    """The facts about a formula that documentation, explanations and warnings read."""

    gives: str
    source: Source
    evidence: Evidence
    validity: tuple[Validity, ...]
    assumes: str

    def validity_text(self) -> str:
        """Validity as one line."""
        ranges = "; ".join(str(v) for v in self.validity)
        return "; ".join(part for part in (self.assumes, ranges) if part) or "exact"


class Formula(Protocol, Generic[P, R]):
    """A function with its facts attached."""

    __name__: str
    about: About
    raw: Callable[..., R]

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R: ...

    def outside(self, **arguments: Any) -> list[str]: ...

    def symbols(self) -> dict[str, Any]: ...

    def expression(self) -> Any: ...


def _in_domain(domain: Domain, value: Any) -> bool:
    if domain is Domain.REAL:
        return True
    low = np.min(value)
    if domain is Domain.POSITIVE:
        return bool(low > 0)
    if domain is Domain.NON_NEGATIVE:
        return bool(low >= 0)
    if domain is Domain.AT_LEAST_ONE:
        return bool(low >= 1)
    high = np.max(value)
    return bool(low >= 0 and (high <= 1 if domain is Domain.SHARE else high < 1))


def _check_domains(name: str, arguments: dict[str, Any]) -> None:
    for argument, value in arguments.items():
        known = NOMENCLATURE.get(argument)
        if known is None:
            continue
        numbers = np.asarray(value)
        if numbers.dtype.kind not in "iuf" or not np.all(np.isfinite(numbers)):
            raise DomainError(f"{name}: {argument} = {value!r}: expected real, finite numbers")
        if numbers.size and not _in_domain(known.domain, numbers):
            raise DomainError(f"{name}: {argument} = {value!r}: expected {known.domain.value}")


def _check_shapes(name: str, arguments: dict[str, Any]) -> None:
    shapes = {argument: np.shape(value) for argument, value in arguments.items() if argument in NOMENCLATURE}
    arrays = {argument: shape for argument, shape in shapes.items() if shape}
    if len(set(arrays.values())) < 2:
        return
    try:
        np.broadcast_shapes(*arrays.values())
    except ValueError:
        said = ", ".join(f"{argument} {shape}" for argument, shape in arrays.items())
        raise DomainError(f"{name}: expected arrays that broadcast together, not of shapes {said}") from None


def _is_number(value: Any) -> bool:
    return type(value).__module__.partition(".")[0] not in ("sympy", "mpmath")


def _as_numbers(value: Any) -> Any:
    """Lists become arrays, and other real numbers (fractions, decimals, huge integers) floats."""
    if isinstance(value, (list, tuple)):
        return np.asarray(value)
    if isinstance(value, (Fraction, Decimal)) or (isinstance(value, int) and abs(value) >= 2**63):
        return float(value)
    return value


def _plain(value: Any) -> Any:
    """Zero-dimensional NumPy results of a scalar call become Python floats."""
    if isinstance(value, tuple) and hasattr(value, "_make"):
        return value._make([_plain(item) for item in value])
    return float(value) if np.ndim(value) == 0 else value


def symbols_for(names: list[str]) -> dict[str, Any]:
    """The SymPy symbol of each argument, with the assumptions its domain allows."""
    import sympy

    table = {}
    for name in names:
        known = NOMENCLATURE.get(name)
        assumed = {"real": True} if known and known.domain is Domain.REAL else {"positive": known is not None}
        table[name] = sympy.Symbol(known.symbol if known else name, **assumed)
    return table


def formula(
    gives: str,
    source: Source,
    evidence: Evidence,
    validity: tuple[Validity, ...] = (),
    assumes: str = "",
) -> Callable[[Callable[P, R]], Formula[P, R]]:
    """Attach source, evidence and validity to a pure function, and check its numbers."""

    def decorate(body: Callable[P, R]) -> Formula[P, R]:
        @functools.cache
        def signature() -> inspect.Signature:
            return inspect.signature(body)

        @functools.wraps(body)
        def checked(*args: P.args, **kwargs: P.kwargs) -> R:
            bound = signature().bind(*args, **kwargs)
            bound.apply_defaults()
            arguments = {name: _as_numbers(value) for name, value in bound.arguments.items()}
            if not all(_is_number(value) for value in arguments.values()):
                return body(**arguments)  # type: ignore[call-arg]
            _check_domains(body.__name__, arguments)
            _check_shapes(body.__name__, arguments)
            for sentence in outside(**arguments):
                warnings.warn(f"{body.__name__}: {sentence}", ValidityWarning, stacklevel=2)
            with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                result: R = _plain(body(**arguments))  # type: ignore[call-arg]
            parts: Any = result if isinstance(result, tuple) else (result,)
            if any(np.isnan(part).any() for part in parts):
                raise DomainError(f"{body.__name__}: expected arguments whose result a float can hold")
            return result

        def outside(**arguments: Any) -> list[str]:
            found = (rule.outside(arguments) for rule in validity)
            return [sentence for sentence in found if sentence]

        def symbols() -> dict[str, Any]:
            return symbols_for(list(signature().parameters))

        def expression() -> Any:
            return body(**symbols())  # type: ignore[call-arg]

        checked.about = About(gives, source, evidence, validity, assumes)  # type: ignore[attr-defined]
        checked.raw = body  # type: ignore[attr-defined]
        checked.outside = outside  # type: ignore[attr-defined]
        checked.symbols = symbols  # type: ignore[attr-defined]
        checked.expression = expression  # type: ignore[attr-defined]
        return checked  # type: ignore[return-value]

    return decorate
