"""Sphinx configuration. The build needs no network, and a warning is an error (``sphinx -W -n``)."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "_ext"), str(HERE.parent)]

from cprmodel import __version__  # noqa: E402

logging.getLogger("cprmodel").setLevel(logging.WARNING)  # of the pages' own plans

project = "cprmodel"
author = "The cprmodel developers"
copyright = "the cprmodel developers"
release = version = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "mathml",
    "facts",
    "commands",
    "gallery",
    "notebook",
    "docstrings",
]
exclude_patterns = ["_build", "_ext"]
source_suffix = {".md": "markdown"}

myst_enable_extensions = ["dollarmath", "deflist", "colon_fence", "attrs_block"]
myst_heading_anchors = 3
myst_dmath_double_inline = False

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
python_display_short_literal_types = True
napoleon_numpy_docstring = True
napoleon_google_docstring = False
napoleon_use_rtype = False

# The standard library and NumPy (there is no inventory without a network), and names that stand for any type.
nitpick_ignore_regex = [("py:.*", r"(pathlib|collections|typing|numpy|datetime|torch|altair|alt)\..*")]
nitpick_ignore = [("py:class", "Number"), ("py:class", "P"), ("py:class", "cprmodel.facts.formula.R")]

html_theme = "furo"
html_title = f"cprmodel {version}"
html_static_path = ["_static"]
html_css_files = ["cprmodel.css"]
html_copy_source = False
html_show_sphinx = False
