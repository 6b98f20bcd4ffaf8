"""Make autodoc read the package's docstrings as they are meant."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

if TYPE_CHECKING:
    from sphinx.application import Sphinx


def _fields(argument: re.Match[str]) -> str:
    return "\n".join(f":param {name.strip()}: {argument[2]}" for name in argument[1].split(","))


def _describe_arguments(_app: Any, _what: str, _name: str, _of: Any, _options: Any, lines: list[str]) -> None:
    """The code writes ``name : meaning``, where numpydoc expects a type: make it a field, before napoleon."""
    text = re.sub(r" *\\\n", " ", "\n".join(lines))  # a list of arguments that goes on in the next line
    blocks = re.split(r"(?m)^(?=\S.*\n-{3,}$)", text)
    for i, block in enumerate(blocks):
        title, _, rest = block.partition("\n")
        said = rest.partition("\n")[2].strip()
        if title == "Parameters":
            blocks[i] = re.sub(r"(?m)^(\w[\w, ]*?) : (.*)$", _fields, said) + "\n\n"
        elif title == "Returns":
            blocks[i] = f":returns: {' '.join(said.split())}\n\n"
    lines[:] = "".join(blocks).split("\n")


def _hide_fields(_app: Any, _what: str, _name: str, of: Any, *_: Any) -> tuple[str, None] | None:
    """A pydantic model's signature repeats all its fields and validators; the job file's table says it better."""
    return ("", None) if isinstance(of, type) and issubclass(of, BaseModel) else None


def setup(app: Sphinx) -> dict[str, Any]:
    """Listen to autodoc."""
    app.connect("autodoc-process-docstring", _describe_arguments, priority=400)
    app.connect("autodoc-process-signature", _hide_fields)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
