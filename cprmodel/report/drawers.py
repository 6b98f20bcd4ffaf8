"""Who draws each kind of answer: its page, its charts without the page's style, and what a notebook shows.

Charts come with numbers for width and height and without a configuration, so that they can be styled, layered and
put side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cprmodel.facts.errors import CprModelError, one_line
from cprmodel.facts.units import format_share, format_time

if TYPE_CHECKING:
    from cprmodel.bulk.many import PlannedMany
    from cprmodel.fitting import AccuracyFit, Analysis
    from cprmodel.ordering.found import Ordered
    from cprmodel.planning import Plan
    from cprmodel.simulation import Simulated

__all__ = ["DRAWERS", "AnswerDrawer", "restylable"]

WIDTH = 520
_MOST_ROWS = 20  #: of a sweep in a notebook


def restylable(chart: Any) -> Any:
    """A chart of a page without the page's style.

    >>> from cprmodel.report.charts import framed
    >>> import altair as alt
    >>> framed(alt.Chart().mark_point()).to_dict()["width"], restylable(framed(alt.Chart().mark_point())).width
    ('container', 520)
    """
    import altair as alt

    plain = chart.copy(deep=False)
    plain.config = alt.Undefined
    plain.width = WIDTH
    return plain


def _by_name(figures: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {figure["id"]: restylable(figure["chart"]) for figure in figures}


def html_table(
    title: str,
    lines: Sequence[str],
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    best: int | None = None,
) -> str:
    """A table with what is said of it, without a style but for what a notebook has; ``best``: a column in bold.

    >>> "A &amp; B" in html_table("A & B", [], ["", "x"], [["overhead", "1%"]])
    True
    """
    said = "".join(f"<li>{escape(one_line(line))}</li>" for line in lines)
    head = "".join(f"<th>{_bold(heading, at == best)}</th>" for at, heading in enumerate(headings))
    body = "".join(
        "<tr>"
        + f'<th style="text-align:left;white-space:pre">{escape(row[0])}</th>'
        + "".join(
            f'<td style="text-align:right">{_bold(cell, at == best)}</td>'
            for at, cell in enumerate(row[1:], start=1)
        )
        + "</tr>"
        for row in rows
    )
    return (
        f"<div><p><b>{escape(one_line(title))}</b></p>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        f"{f'<ul>{said}</ul>' if said else ''}</div>"
    )


def _bold(cell: str, bold: bool) -> str:
    return f"<b>{escape(cell)}</b>" if bold else escape(cell)


@dataclass(frozen=True)
class AnswerDrawer:
    """Draws answers of one kind, with the rooms of that kind."""

    figures: Callable[..., list[dict[str, Any]]]
    html: Callable[[Any], str]
    page: Callable[[Any, str | Path], None] | None

    def chart(self, answer: Any) -> Any:
        """The first chart of its page, as there."""
        return self.figures(answer)[0]["chart"]

    def charts(self, answer: Any, **asked: Any) -> dict[str, Any]:
        """All of them by name, to restyle."""
        return _by_name(self.figures(answer, **asked))

    def write(self, answer: Any, path: str | Path) -> None:
        """Its page."""
        if self.page is None:
            raise CprModelError("a sweep that stands in memory has no page: cprmodel sweep --report writes one")
        self.page(answer, path)


def _plan_figures(answer: Plan) -> list[dict[str, Any]]:
    from cprmodel.report.page import plan_figures

    return plan_figures(answer)


def _plan_html(answer: Plan) -> str:
    from cprmodel.report.plan_table import plan_rows

    names = [f"{one.name} *" if one.name == answer.recommended else one.name for one in answer.strategies]
    best = 1 + [one.name for one in answer.strategies].index(answer.recommended)
    rows = [[label, *cells] for label, cells in plan_rows(answer)]
    return html_table(answer.sentence, answer.what_would_change_it, ["", *names], rows, best)


def _plan_page(answer: Plan, path: str | Path) -> None:
    from cprmodel.report.page import write_report

    write_report(answer, path)


def _simulated_figures(answer: Simulated, deadline_s: float | None = None) -> list[dict[str, Any]]:
    from cprmodel.report.simulated import simulated_figures

    return simulated_figures(answer, deadline_s)


def _simulated_html(answer: Simulated) -> str:
    from cprmodel.report.simulated import HEADINGS, heading, simulated_lines, simulated_rows

    return html_table(heading(answer), simulated_lines(answer, None), HEADINGS, simulated_rows(answer))


def _simulated_page(answer: Simulated, path: str | Path) -> None:
    from cprmodel.report.simulated import write_simulated_report

    write_simulated_report(answer, None, path)


def _fitted_figures(answer: Analysis) -> list[dict[str, Any]]:
    from cprmodel.report.fitted_figures import fitted_figures

    return fitted_figures(answer) if answer.models else []


def _fitted_html(answer: Analysis) -> str:
    from cprmodel.report.fitted import HEADINGS, fitted_lines, fitted_rows

    return html_table(str(answer), fitted_lines(answer), HEADINGS, fitted_rows(answer))


def _fitted_page(answer: Analysis, path: str | Path) -> None:
    from cprmodel.report.fitted import write_fitted_report

    write_fitted_report(answer, path)


def _accuracy_figures(answer: AccuracyFit) -> list[dict[str, Any]]:
    from cprmodel.report.accuracy import accuracy_figure

    return [accuracy_figure(answer)]


def _accuracy_html(answer: AccuracyFit) -> str:
    from cprmodel.report.accuracy import HEADINGS, accuracy_lines, accuracy_rows

    return html_table(str(answer), accuracy_lines(answer), HEADINGS, accuracy_rows(answer))


def _accuracy_page(answer: AccuracyFit, path: str | Path) -> None:
    from cprmodel.report.accuracy import write_accuracy_report

    write_accuracy_report(answer, path)


def _ordered_figures(answer: Ordered) -> list[dict[str, Any]]:
    from cprmodel.report.ordered import bandwidth_figure, harm_figure

    return [bandwidth_figure(answer), *([harm_figure(answer)] if answer.harm else [])]


def _ordered_html(answer: Ordered) -> str:
    from cprmodel.report.ordered import HEADINGS, ordered_lines, ordered_rows

    return html_table(str(answer), ordered_lines(answer), HEADINGS, ordered_rows(answer))


def _ordered_page(answer: Ordered, path: str | Path) -> None:
    from cprmodel.report.ordered import write_ordered_report

    write_ordered_report(answer, path)


def _many_figures(answer: PlannedMany) -> list[dict[str, Any]]:
    """Along each key that varies, and over the first two, the others at the middle of their values."""
    from cprmodel.report.sweep_figures import curve_figure, map_figure

    keys = [key for key in answer.keys if len(np.unique(answer[key.name])) > 1]
    middle = ", others at the middle of their values" if len(keys) > 1 else ""
    figures = [curve_figure(key, _slice(answer, [key]), middle) for key in keys]
    if len(keys) > 1:
        both = _slice(answer, keys[:2])
        more = middle if len(keys) > 2 else ""
        figures += [map_figure(keys[:2], both, more, color) for color in ("overhead_fraction", "recommended")]
    return [one for one in figures if one is not None]


def _slice(answer: PlannedMany, keys: Sequence[Any]) -> PlannedMany:
    """The rows in which all other keys are at the middle of their values."""
    rows = np.ones(len(answer), dtype=bool)
    for key in answer.keys:
        if key not in keys:
            values = np.unique(answer[key.name])
            rows &= answer[key.name] == values[len(values) // 2]
    columns = {name: column[rows] for name, column in answer.columns.items()}
    return replace(answer, columns=columns, shape=(int(rows.sum()),))


_OF_A_ROW = (
    ("recommended", "recommended", str),
    ("save every", "interval_s", format_time),
    ("overhead", "overhead_fraction", format_share),
    ("expected PLS", "expected_pls", lambda value: f"{value:.3g}"),
    ("time to train", "time_to_train_s", format_time),
)


def _many_html(answer: PlannedMany) -> str:
    from cprmodel.report.sweep import shown

    rows = []
    for at in range(min(len(answer), _MOST_ROWS)):
        cells = [shown(key, float(answer[key.name][at])) for key in answer.keys]
        if answer["feasible"][at]:
            cells += [show(answer[name][at]) for _, name, show in _OF_A_ROW]
        else:
            cells += [str(answer["reason"][at]), *[""] * (len(_OF_A_ROW) - 1)]
        rows.append(cells)
    more = len(answer) - len(rows)
    headings = [*(key.name for key in answer.keys), *(heading for heading, _, _ in _OF_A_ROW)]
    return html_table(str(answer), [f"{more:,} more rows"] if more > 0 else [], headings, rows)


DRAWERS = {
    "plan": AnswerDrawer(_plan_figures, _plan_html, _plan_page),
    "simulated": AnswerDrawer(_simulated_figures, _simulated_html, _simulated_page),
    "analysis": AnswerDrawer(_fitted_figures, _fitted_html, _fitted_page),
    "accuracy": AnswerDrawer(_accuracy_figures, _accuracy_html, _accuracy_page),
    "ordered": AnswerDrawer(_ordered_figures, _ordered_html, _ordered_page),
    "many": AnswerDrawer(_many_figures, _many_html, None),
}
