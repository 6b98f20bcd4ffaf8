"""``{notebook} NAME``: ``examples/NAME.ipynb``, run here cell by cell, with what each cell shows.

A cell shows what it prints, and its last expression: as a notebook would, by ``_repr_html_``, a chart as a
picture. A cell that fails stops the build.
"""

from __future__ import annotations

import ast
import contextlib
import io
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import vl_convert
from docutils import nodes
from sphinx.util.docutils import SphinxDirective

if TYPE_CHECKING:
    from sphinx.application import Sphinx

ROOT = Path(__file__).parents[2]


def run_cell(source: str, names: dict[str, Any]) -> tuple[str, Any]:
    """What a cell prints, and the value of its last line where that is an expression; else None."""
    tree = ast.parse(source)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    printed = io.StringIO()
    value = None
    with contextlib.redirect_stdout(printed):
        exec(compile(tree, "cell", "exec"), names)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), "cell", "eval"), names)
    return printed.getvalue(), value


def shown(value: Any) -> nodes.Node:
    """A value as a notebook has it."""
    if hasattr(value, "to_dict") and type(value).__module__.startswith("altair"):
        svg = vl_convert.vegalite_to_svg(value.to_dict())
        return nodes.raw("", f'<div class="chart">{svg}</div>', format="html")
    if hasattr(value, "_repr_html_"):
        return nodes.raw("", f'<div class="cell-output">{value._repr_html_()}</div>', format="html")
    return nodes.literal_block(repr(value), repr(value), language="text")


class Notebook(SphinxDirective):
    """A notebook with its outputs."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        path = ROOT / "examples" / f"{self.arguments[0]}.ipynb"
        self.env.note_dependency(str(path))
        found: list[nodes.Node] = []
        names: dict[str, Any] = {"__name__": "__main__"}
        before = os.getcwd()
        os.chdir(ROOT)
        try:
            for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
                source = "".join(cell["source"])
                if cell["cell_type"] == "markdown":
                    text = "\n".join(line for line in source.split("\n") if not line.startswith("# "))
                    found += self.parse_text_to_nodes(text)
                    continue
                found.append(nodes.literal_block(source, source, language="python"))
                try:
                    printed, value = run_cell(source, names)
                except Exception as error:
                    raise self.error(f"{path.name}: {type(error).__name__}: {error}") from error
                if printed:
                    text = printed.rstrip()
                    found.append(nodes.literal_block(text, text, language="text", classes=["run"]))
                if value is not None:
                    found.append(shown(value))
        finally:
            os.chdir(before)
        return found


def setup(app: Sphinx) -> dict[str, Any]:
    """Add the directive."""
    app.add_directive("notebook", Notebook)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
