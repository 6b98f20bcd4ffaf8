"""What comes with ``pip install cprmodel`` and what with an extra: a heavy part that is missing says its name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from cprmodel.facts.errors import CprModelError

__all__ = ["EXTRAS", "ExtraMissing", "for_extra"]

#: Packages that an extra brings: import name → (extra, what it is called on PyPI).
EXTRAS = {
    "numba": ("simulate", "numba"),
    "polars": ("logs", "polars"),
    "pyarrow": ("bulk", "pyarrow"),
    "vl_convert": ("report", "vl-convert-python"),
    "lightning": ("lightning", "lightning"),
    "torch": ("partial", "torch"),
    "safetensors": ("partial", "safetensors"),
    "fsspec": ("partial", "fsspec"),
}


class ExtraMissing(CprModelError, ImportError):
    """A part that is not installed; the text says which extra brings it.

    >>> print(ExtraMissing("numba", "a simulation"))
    a simulation needs numba, which is not installed: pip install "cprmodel[simulate]"
    """

    def __init__(self, package: str, what: str) -> None:
        extra, name = EXTRAS[package]
        self.package, self.extra = package, extra
        super().__init__(f'{what} needs {name}, which is not installed: pip install "cprmodel[{extra}]"')


@contextmanager
def for_extra(what: str) -> Iterator[None]:
    """Within it, a package of an extra that is missing is told as such.

    >>> with for_extra("a simulation"):
    ...     raise ModuleNotFoundError("No module named 'numba'", name="numba")
    Traceback (most recent call last):
        ...
    cprmodel.facts.extras.ExtraMissing: a simulation needs numba, which is not installed: ...
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in EXTRAS:
            raise
        raise ExtraMissing(package, what) from None
