"""A formula of your own, from nothing to green: its number, its array, its symbols, and the rules that it keeps."""

import numpy as np
import sympy as sp

from cprmodel.facts.formula import Validity, formula
from cprmodel.facts.rules import broken_rules
from cprmodel.facts.sources import DERIVED, Evidence
from cprmodel.facts.special import Number, namespace

SHORT = Validity(
    quantity="C/μ",
    of=lambda save_s, mtbf_s: save_s / mtbf_s,
    at_most=0.1,
    because="beyond, a save is often struck twice, which is counted once",
)


@formula("P", DERIVED, Evidence.DERIVED, (SHORT,), "exponential failures")
def save_struck(save_s: Number, mtbf_s: Number) -> Number:
    r"""Probability that a failure strikes a save.

    .. math:: P = 1 - e^{-C/\mu}

    Parameters
    ----------
    save_s : time a save blocks training, C [s]
    mtbf_s : mean time between failures of the job, μ [s]

    Examples
    --------
    >>> round(save_struck(save_s=240.0, mtbf_s=28 * 3600.0), 5)
    0.00238
    """
    xp = namespace(save_s, mtbf_s)
    return -xp.expm1(-save_s / mtbf_s)


if __name__ == "__main__":
    print("rules broken:", broken_rules(save_struck))
    print(f"number: {save_struck(save_s=240.0, mtbf_s=100_800.0):.6f}")
    print("array:", np.round(save_struck(save_s=np.array([60.0, 240.0]), mtbf_s=100_800.0), 6))
    print("equation:", sp.sstr(save_struck.expression()))
    print("its derivative by C:", sp.sstr(sp.diff(save_struck.expression(), save_struck.symbols()["save_s"])))
    print("outside its range:", save_struck.outside(save_s=240.0, mtbf_s=1200.0)[0])
