"""A page to play with: sliders, and the plan that follows in the browser."""

from cprmodel.report.whatif.page import has_formulas, render_whatif, write_whatif

__all__ = ["has_formulas", "render_whatif", "write_whatif"]
