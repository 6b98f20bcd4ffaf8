"""What moving a checkpoint costs."""

from __future__ import annotations

from cprmodel.facts.formula import formula
from cprmodel.facts.sources import DERIVED, Evidence
from cprmodel.facts.special import Number

__all__ = ["transfer_time"]


@formula("C, L", DERIVED, Evidence.DEFINITION, (), "one stream of constant bandwidth")
def transfer_time(size_bytes: Number, bandwidth_bytes_per_s: Number) -> Number:
    r"""Time to write or read a checkpoint, S/B [s].

    .. math:: C = \frac{S}{B}

    Parameters
    ----------
    size_bytes : what is moved, S [B]
    bandwidth_bytes_per_s : what the writers get together, B [B/s]

    Examples
    --------
    >>> transfer_time(size_bytes=1.2e12, bandwidth_bytes_per_s=5e9)
    240.0
    """
    return size_bytes / bandwidth_bytes_per_s
