"""Equations of the documentation mean in MathML what they mean in LaTeX."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

SOURCE = Path(__file__).parents[1] / "docs" / "_ext" / "mathml.py"


@pytest.fixture(scope="module")
def mathml() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_mathml", SOURCE)
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


@pytest.mark.parametrize(
    ("short", "long"),
    [
        (r"\tfrac12\sigma", r"\frac{1}{2}\sigma"),
        (r"\frac12\left(x + 1\right)", r"\frac{1}{2}\left(x + 1\right)"),
        (r"(\tfrac12 - \alpha)", r"(\frac{1}{2} - \alpha)"),
        (r"\tfrac13\sqrt{C} + \tfrac19\tfrac{C}{2\mu}", r"\frac{1}{3}\sqrt{C} + \frac{1}{9}\tfrac{C}{2\mu}"),
        (r"\frac1\tau", r"\frac{1}{\tau}"),
        (r"h |\Delta|^2 - |\Delta|", r"h \left|\Delta\right|^2 - \left|\Delta\right|"),
        (r"\frac{\left|\Delta\right|}{2}", r"\frac{\left|\Delta\right|}{2}"),
    ],
)
def test_what_latex_shortens_is_the_same(mathml: ModuleType, short: str, long: str) -> None:
    """A half was printed as 12 over what came next: docutils' converter takes both digits for one number."""
    assert mathml.to_mathml(short, block=True) == mathml.to_mathml(long, block=True)
    assert "<mn>12</mn>" not in mathml.to_mathml(short, block=True)
