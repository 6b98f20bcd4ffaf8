"""``{picture} NAME``: the chart of ``examples/gallery/NAME.py``, drawn here, with its code."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import vl_convert
from docutils import nodes
from sphinx.util.docutils import SphinxDirective

if TYPE_CHECKING:
    from sphinx.application import Sphinx

FOLDER = Path(__file__).parents[2] / "examples" / "gallery"


def load(name: str) -> ModuleType:
    """The script of that name."""
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def drawn(module: ModuleType) -> str:
    """Its chart as SVG."""
    chart = module.chart().configure_view(stroke=None).configure_axis(gridColor="#eee")
    svg: str = vl_convert.vegalite_to_svg(chart.to_dict())
    return svg


class Picture(SphinxDirective):
    """Title, what it shows, the picture, and how it was made."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        name = self.arguments[0]
        module = load(name)
        title, _, text = (module.__doc__ or "").strip().partition("\n\n")
        self.env.note_dependency(str(FOLDER / f"{name}.py"))
        alt = f"Chart: {title}"
        body = drawn(module).replace("<svg ", f'<svg role="img" aria-label="{alt}" ', 1)
        section = nodes.section(ids=[nodes.make_id(name)])
        section += nodes.title(title, title)
        section += nodes.paragraph(text=text.replace("`", ""))
        section += nodes.raw("", f'<div class="picture">{body}</div>', format="html")
        code = nodes.literal_block(text=(FOLDER / f"{name}.py").read_text(encoding="utf-8"), language="python")
        section += nodes.raw("", f"<details><summary>examples/gallery/{name}.py</summary>", format="html")
        section += code
        section += nodes.raw("", "</details>", format="html")
        return [section]


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive."""
    app.add_directive("picture", Picture)
    return {"version": "1", "parallel_read_safe": True}
