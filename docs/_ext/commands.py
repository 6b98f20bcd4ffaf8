"""``{run} COMMAND``: what a ``cprmodel`` command prints, run when the documentation is built.

The commands of a page share a folder, with the project's examples in it. ``:from: TEXT`` starts the output at the
first line that holds the text,
``:to: TEXT`` ends it before one that does. A command that fails stops the build.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

if TYPE_CHECKING:
    from sphinx.application import Sphinx

ROOT = Path(__file__).parents[2]
WIDTH = 92


def _fold(line: str) -> list[str]:
    """A long line as a terminal would show it, but at a space and indented."""
    indent = " " * (len(line) - len(line.lstrip()) + 2)
    return textwrap.wrap(line, WIDTH, subsequent_indent=indent) if len(line) > WIDTH else [line]


def _printed(directive: SphinxDirective, shown: str, arguments: list[str], folder: Path) -> list[str]:
    """The lines that Python prints with these arguments, folded; a failure stops the build."""
    out = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": str(WIDTH), "NO_COLOR": "1", "TERM": "dumb"},
        capture_output=True,
        text=True,
        check=False,
    )
    if out.returncode:
        raise directive.error(f"{shown}: exit status {out.returncode}: {out.stderr}")
    return [folded for line in out.stdout.rstrip().splitlines() for folded in _fold(line.rstrip())]


class Run(SphinxDirective):
    """A ``cprmodel`` command and what it printed just now."""

    required_arguments = 1
    final_argument_whitespace = True
    option_spec: ClassVar[dict[str, Any]] = {"from": directives.unchanged, "to": directives.unchanged}

    def run(self) -> list[nodes.Node]:
        shown = self.arguments[0]
        if "run-folder" not in self.env.temp_data:
            self.env.temp_data["run-folder"] = tempfile.TemporaryDirectory()
            (Path(self.env.temp_data["run-folder"].name) / "examples").symlink_to(ROOT / "examples")
        here: Any = self.env.temp_data["run-folder"]
        lines = _printed(self, shown, ["-m", *shlex.split(shown)], Path(here.name))
        start = next(i for i, line in enumerate(lines) if self.options.get("from", "") in line)
        stop = self.options.get("to")
        end = next((i for i in range(start, len(lines)) if stop in lines[i]), 0) if stop else len(lines)
        if not end:
            raise self.error(f"{shown}: no line with {stop!r}")
        lines = [*["…"][: start > 0], *lines[start:end], *["…"][: end < len(lines)]]
        text = "\n".join([f"$ {shown}", *lines])
        return [nodes.literal_block(text, text, language="console", classes=["run"])]


class Runs(SphinxDirective):
    """What one of the project's scripts prints."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        script = ROOT / self.arguments[0]
        self.env.note_dependency(str(script))
        text = "\n".join(_printed(self, self.arguments[0], [str(script)], ROOT))
        return [nodes.literal_block(text, text, language="text")]


class CommandReference(SphinxDirective):
    """What each command says of itself (by typer's own writer of documentation)."""

    def run(self) -> list[nodes.Node]:
        from typer import Context
        from typer.cli import get_docs_for_click
        from typer.main import get_command

        from cprmodel.cli.app import app

        top: Any = get_command(app)
        found: list[nodes.Node] = []
        for name, command in top.commands.items():
            context = Context(command, info_name=name, parent=Context(top, info_name="cprmodel"))
            text = get_docs_for_click(obj=command, ctx=context, indent=1, call_prefix="cprmodel")
            section = nodes.section(ids=[f"command-{name}"], names=[name])
            section += nodes.title(name, name)
            self.state.nested_parse(StringList(text.split("\n", 1)[1].splitlines()), 0, section)
            found.append(section)
        return found


def setup(app: Sphinx) -> dict[str, Any]:
    """Add the directives."""
    app.add_directive("run", Run)
    app.add_directive("runs", Runs)
    app.add_directive("command-reference", CommandReference)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
