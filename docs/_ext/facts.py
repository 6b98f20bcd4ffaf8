"""Directives that print what the code says, when the documentation is built: nothing is typed twice.

``{nomenclature}``
    the table of names, from :mod:`cprmodel.facts.nomenclature`.
``{formula} cprmodel.formulas.NAME``
    a formula's equation (printed by SymPy from its body), arguments, source, evidence and validity.
    ``:with: whole_job_share=0`` puts numbers for arguments first; ``:parts:`` prints a breakdown's parts rather
    than its total; ``:rate:`` writes λ_s for sk/(μN); ``:docstring:`` prints the equation in the docstring instead.
``{jobfile}``
    the keys of a job file, from the pydantic models.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

import sympy as sp
from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.util.docutils import SphinxDirective
from sympy.printing.latex import LatexPrinter

from cprmodel.facts.nomenclature import NOMENCLATURE
from cprmodel.facts.results import Breakdown
from cprmodel.facts.sources import DERIVED, Evidence
from cprmodel.facts.symbolic import SYMPY
from cprmodel.jobs import Job
from cprmodel.jobs.quantities import quantity_key

if TYPE_CHECKING:
    from sphinx.application import Sphinx

#: What formulas give, where it is a symbol; words stay words.
_LEFT = {name.symbol: name.latex for name in NOMENCLATURE.values()}
_LEFT |= {"O/T": r"\frac{O}{T}", "E": "E", "C, L": "C, L", "C'": "C'", "n₂": "n_2", "μ_c": r"\mu_c", "t_F": "t_F"}
_LEFT |= {"T(n)": "T(n)", "metric drop": "M"}
_LEFT |= {"time beyond T": r"\text{time beyond } T", "SD/mean of PLS": r"\frac{\mathrm{SD}}{\mathrm{mean}}"}
_RATE = r"\lambda_s"
_PARTS = {"save": "saves", "load": "loads", "lost": "lost", "reschedule": "rescheduling"}


class _Phi2(sp.Function):  # type: ignore[misc]
    nargs = 1

    @classmethod
    def eval(cls, z: Any) -> Any:
        return sp.S.Half if z.is_zero else None

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        return rf"\varphi_2\!\left({printer._print(self.args[0])}\right)"


@contextmanager
def _paper_style() -> Iterator[None]:
    """Leave φ₂, the number of saves m and the rest τ_m of a job as names, as a paper would."""
    before = SYMPY.phi2, SYMPY.intervals
    SYMPY.phi2, SYMPY.intervals = _Phi2, lambda work, interval: sp.Symbol("m") + 1
    try:
        yield
    finally:
        SYMPY.phi2, SYMPY.intervals = before


class _Printer(LatexPrinter):  # type: ignore[misc]
    """SymPy's printer, with quotients in exponents on one line."""

    def _print_ExpBase(self, expr: Any, exp: str | None = None) -> str:  # noqa: N802 (SymPy's hook)
        before = self._settings["fold_short_frac"]
        self._settings["fold_short_frac"] = True
        try:
            return str(super()._print_ExpBase(expr, exp))
        finally:
            self._settings["fold_short_frac"] = before


def _latex(expression: Any, names: dict[Any, str]) -> str:
    work, interval, rest = sp.symbols("T τ τ_m")
    expression = expression.subs(work - sp.Symbol("m") * interval, rest)
    text = str(_Printer({"symbol_names": {**names, rest: r"\tau_m"}}).doprint(expression))
    return text.replace(r"\sqrt{2} \sqrt{\frac{", r"\sqrt{\frac{2 ").replace(r"\sqrt{2} \sqrt{", r"\sqrt{2 ")


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    lines = [list(head)]
    lines += [["---"] * len(lines[0]), *(list(row) for row in rows)]
    return ["| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines] + [""]


def _math(argument: str) -> str:
    return f"${NOMENCLATURE[argument].latex}$" if argument in NOMENCLATURE else ""


class Nomenclature(SphinxDirective):
    """Every name the formulas use."""

    def run(self) -> list[nodes.Node]:
        rows = (
            (f"${name.latex}$", f"`{name.argument}`", name.unit, name.meaning, name.domain.value)
            for name in NOMENCLATURE.values()
        )
        text = _table(("Symbol", "Argument", "Unit", "Meaning", "Domain"), rows)
        return [nodes.container("", *self.parse_text_to_nodes("\n".join(text)), classes=["names"])]


class FormulaFacts(SphinxDirective):
    """One formula: equation, arguments, source, evidence, validity."""

    required_arguments = 1
    option_spec: ClassVar[dict[str, Any]] = {
        "with": directives.unchanged,
        "parts": directives.flag,
        "rate": directives.flag,
        "docstring": directives.flag,
    }

    def run(self) -> list[nodes.Node]:
        module, _, name = self.arguments[0].rpartition(".")
        formula = getattr(importlib.import_module(module), name)
        text = [f"{{py:func}}`{self.arguments[0]}`", ""]
        for equation in self.equations(formula):
            text += ["```{math}", equation, "```", ""]
        text += _table(("Argument", "Symbol", "Unit", "Meaning"), self.argument_rows(formula))
        text += self.facts(formula.about)
        box = nodes.container(classes=["formula"], ids=[f"formula-{name.replace('_', '-')}"])
        box += self.parse_text_to_nodes("\n".join(text))
        return [box]

    def equations(self, formula: Any) -> list[str]:
        given = dict(pair.split("=") for pair in self.options.get("with", "").split(",") if pair)
        numbers = {key.strip(): sp.Integer(int(value)) for key, value in given.items()}
        symbols = {arg: sp.Symbol(NOMENCLATURE[arg].symbol) for arg in inspect.signature(formula).parameters}
        names = {symbol: NOMENCLATURE[arg].latex for arg, symbol in symbols.items()}
        if "docstring" in self.options:
            found = re.findall(r"\.\. math:: *(.*?)\n\s*\n", inspect.getdoc(formula) or "", re.DOTALL)
            return [" ".join(one.split()) for one in found]
        with _paper_style():
            value = formula.raw(**(symbols | numbers))
        if isinstance(value, Breakdown) and "parts" in self.options:
            tidy = (sp.factor(sp.powsimp(part)) for part in value) if numbers else value
            parts = zip(_PARTS.values(), tidy, strict=True)
            rows = (rf"\text{{{part}}} &= {_latex(one, names)}" for part, one in parts)
            return [r"\begin{aligned}" + r" \\ ".join(rows) + r"\end{aligned}"]
        left = _LEFT.get(formula.about.gives, rf"\text{{{formula.about.gives}}}")
        whole, let = value.total if isinstance(value, Breakdown) else value, ""
        if "rate" in self.options:
            s, k, rate, mtbf, shards = sp.symbols("s k λ_s μ N")
            whole, let = whole.subs(s * k, rate * mtbf * shards), rf", \qquad {_RATE} = \frac{{s k}}{{\mu N}}"
            names[rate] = _RATE
        return [rf"{left} = {_latex(whole, names)}{let}"]

    @staticmethod
    def argument_rows(formula: Any) -> Iterator[tuple[str, ...]]:
        for argument, parameter in inspect.signature(formula).parameters.items():
            known = NOMENCLATURE[argument]
            default = "" if parameter.default is parameter.empty else f" (default {parameter.default})"
            yield f"`{argument}`", f"${known.latex}$", known.unit, known.meaning + default

    @staticmethod
    def facts(about: Any) -> list[str]:
        link = f" <{about.source.url}>" if about.source.url else ""
        cited = "Compare" if about.evidence is Evidence.DERIVED and about.source is not DERIVED else "Source"
        source = "this page" if about.source is DERIVED else f"{about.source.citation}{link}"
        lines = [f"- {cited}: {source}", f"- Evidence: {about.evidence.value}"]
        if about.assumes:
            lines.append(f"- Assumes: {about.assumes}")
        return [*lines, *(f"- Valid for {rule}" for rule in about.validity), ""]


class JobFile(SphinxDirective):
    """The keys of a job file."""

    def run(self) -> list[nodes.Node]:
        text: list[str] = []
        for section, of in Job.model_fields.items():
            if section == "preset":
                continue
            model: Any = getattr(of.annotation, "__args__", (of.annotation,))[0]  # Accuracy | None: the first
            rows = []
            for field, facts in model.model_fields.items():
                key, kind = quantity_key(field) or (field, "")
                rows.append((f"`{key}`", kind, facts.description or "", f"`{field}`"))
            text += [f"**`[{section}]`**", "", *_table(("Key", "Kind", "Meaning", "In Python"), rows)]
        return self.parse_text_to_nodes("\n".join(text))


def setup(app: Sphinx) -> dict[str, Any]:
    """Add the directives."""
    app.add_directive("nomenclature", Nomenclature)
    app.add_directive("formula", FormulaFacts)
    app.add_directive("jobfile", JobFile)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
