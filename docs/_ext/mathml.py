"""Render mathematics as MathML with docutils' own converter: no script, no font, no network."""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING, Any

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.errors import ExtensionError

if TYPE_CHECKING:
    from sphinx.application import Sphinx

_SIZES = re.compile(r"\\[bB]igg?[lrm]?(?![A-Za-z])")  # MathML stretches by itself; docutils has no \big
_HALVES = re.compile(
    r"\\[td]?frac\s*(\d)\s*(\d)"
)  # docutils reads the 12 of \frac12 as one number, over what follows
_SIZE_OF = re.compile(
    r"(?<!left)(?<!right)\|([^|]+)(?<!right)\|"
)  # its bars hold together, and do not look like "divides"


def to_mathml(tex: str, block: bool) -> str:
    """LaTeX to a ``<math>`` element; what the converter does not know stops the build."""
    known = _SIZE_OF.sub(r"\\left|\1\\right|", _HALVES.sub(r"\\frac{\1}{\2}", _SIZES.sub("", tex)))
    try:
        return str(tex2mathml(known, as_block=block))
    except MathError as error:
        raise ExtensionError(f"no MathML for {tex!r}: {error}") from error


def visit_math(self: Any, node: nodes.math) -> None:
    self.body.append(f'<span class="math">{to_mathml(node.astext(), block=False)}</span>')
    raise nodes.SkipNode


def visit_displaymath(self: Any, node: nodes.math_block) -> None:
    number = ""
    if node["number"]:
        number = f'<span class="eqno">({node["number"]})</span>'
    attributes = "".join(f' id="{escape(name)}"' for name in node["ids"][:1])
    self.body.append(f'<div class="math"{attributes}>{number}{to_mathml(node.astext(), block=True)}</div>')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, Any]:
    """Make MathML the HTML builder's way with mathematics."""
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_displaymath, None))
    app.config.html_math_renderer = "mathml"
    return {"parallel_read_safe": True, "parallel_write_safe": True}
