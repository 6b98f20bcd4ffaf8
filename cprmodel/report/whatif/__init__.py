"""A page to play with: sliders, and the plan that follows in the browser."""

from cprmodel.report.whatif.page import render_whatif, write_whatif

__all__ = ["render_whatif", "write_whatif"]
