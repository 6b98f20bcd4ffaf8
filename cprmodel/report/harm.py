"""A harm record as text for a terminal, and as a page with its charts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cprmodel.facts.errors import one_line
from cprmodel.facts.units import count_of
from cprmodel.harm.predicted import Harm, HarmModel
from cprmodel.harm.record import HarmRecord, Point
from cprmodel.harm.slope import slope_at
from cprmodel.harm.summary import WITHIN, AtAge, Part, at_ages, by_table, by_use, known_limit, reach
from cprmodel.report.unchecked import unchecked

__all__ = ["harm_dict", "harm_lines", "print_harm", "render_harm", "write_harm_report"]

HEADINGS = [
    "after samples",
    "put back by",
    "rise of log loss",
    "± SE",
    "predicted",
    "quadratic",
    "gradient",
    "fall of AUC",
    "predicted at the end",
]
PART_HEADINGS = ["rows", "accesses a sample", "quadratic", "share", "with gradient", "± SE"]
_OPTIMIZERS = {"sgd": "SGD", "rowwise_adagrad": "row-wise Adagrad", "adagrad": "Adagrad", "adam": "Adam"}
_TENTH, _EIGHTH = 0.1, 0.125  #: of the run between two saves, of the rows: what the slope is said of
_TABLES = 8  #: that the terminal shows
_COLORS = {"true": "#1d2326", "predicted": "#c1440e", "quadratic": "#1f6f8b", "gradient": "#f2b880"}


def age_rows(record: HarmRecord) -> list[list[str]]:
    """What was seen of the whole state, a row for a point and an age."""
    return [
        [
            f"{one.position_samples:,.0f}",
            f"{one.age_samples:,.0f}",
            f"{one.rise:.2e}",
            f"{one.rise_error:.1e}",
            f"{one.predicted:.2e}",
            f"{one.quadratic:.2e}",
            f"{one.gradient:.2e}",
            "" if one.auc_fall is None else f"{one.auc_fall:.2e}",
            f"{harm.rise:.2e}",
        ]
        for one, harm in _with_ends(HarmModel(record))
    ]


def _with_ends(model: HarmModel) -> list[tuple[AtAge, Harm]]:
    """Each point and age, with what putting all back there would have cost once the rest of the run is trained."""
    return [(one, model.once(one.position_samples, one.age_samples, 1.0)) for one in at_ages(model.record)]


def part_rows(parts: Sequence[Part]) -> list[list[str]]:
    """Tables, or rows by their use."""
    return [
        [
            one_line(one.name),
            f"{one.rows:,}",
            f"{one.accesses:.3g}",
            f"{one.quadratic:.2e}",
            f"{one.share:.0%}",
            f"{one.rise:.2e}",
            f"{one.rise_error:.1e}",
        ]
        for one in parts
    ]


def harm_lines(record: HarmRecord) -> list[str]:
    """What was probed, how far Taylor reaches, and what is left of a harm."""
    last = record.points[-1]
    known = reach(record)
    largest = max(point.ages_samples[-1] for point in record.points)
    lines = [
        f"a run of {record.samples:,} samples in batches of {record.batch_size:,}, its rows moved by "
        f"{_OPTIMIZERS[record.optimizer.name]} (learning rate {record.optimizer.learning_rate:g}); probed at "
        f"{count_of(len(record.points), 'point')} with {record.probe_samples:,} held-out samples",
        "rise of log loss: what it would cost at once, were every row put back to what it held so many samples "
        "ago; a shard that holds a share of all rows by chance costs that share of it",
    ]
    if known is None:
        lines.append(
            f"prediction: off by more than {WITHIN:.0%} even at the smallest age: save more often, or probe "
            "smaller ages"
        )
    elif known < largest:
        lines.append(
            f"prediction: within {WITHIN:.0%} of the truth for rows put back by up to {known:,.0f} samples, and "
            "off by more at the next age: do not plan with intervals that are longer"
        )
    else:
        lines.append(f"prediction: within {WITHIN:.0%} of the truth at every age, up to {known:,.0f} samples")
    limit = known_limit(record)
    if limit is not None:
        lines.append(f"mind: {limit}")
    slope = slope_at(HarmModel(record), _TENTH * record.samples, _EIGHTH)
    if slope is not None:
        lines.append(
            f"predicted: the AUC at the end of the run falls by {slope[0]:.2g} per unit of PLS (90% interval "
            f"{slope[1]:.2g} to {slope[2]:.2g}), with saves every tenth of the run and an eighth of the rows lost "
            "at a time; nothing is fitted to a failure"
        )
    noisy = sum(one.rise < 2 * one.rise_error for one in at_ages(record))
    if noisy:
        lines.append(
            f"{count_of(noisy, 'rise')} of {len(at_ages(record))} cannot be told from 0: more probe samples "
            "would show them"
        )
    if record.samples > last.position_samples:
        lines.append("predicted at the end: rise of the log loss that the rest of the run does not make good")
    return lines


def harm_dict(record: HarmRecord) -> dict[str, Any]:
    """The same in numbers."""
    model = HarmModel(record)
    slope = slope_at(model, _TENTH * record.samples, _EIGHTH)
    return {
        "samples": record.samples,
        "within": WITHIN,
        "reach_samples": reach(record),
        "auc_fall_per_pls": None if slope is None else {"value": slope[0], "interval_90": [slope[1], slope[2]]},
        "ages": [
            {**vars(one), "holds": one.holds, "end_rise": harm.rise, "end_interval_90": harm.interval_90}
            for one, harm in _with_ends(model)
        ],
        "points": [
            {
                "position_samples": point.position_samples,
                "log_loss": point.log_loss,
                "auc": point.auc,
                "age_samples": point.ages_samples[-1],
                "tables": [vars(one) for one in by_table(point)],
                "by_use": [vars(one) for one in by_use(point)],
            }
            for point in record.points
        ],
    }


def _where(point: Point) -> str:
    return f"rows put back by {point.ages_samples[-1]:,.0f} samples, after {point.position_samples:,.0f}"


def print_harm(record: HarmRecord, source: str) -> None:
    """Print to standard output."""
    from cprmodel.report.lines import print_lines_and_table

    print_lines_and_table(
        [f"{source}: {harm_lines(record)[0]}", *harm_lines(record)[1:]], HEADINGS, age_rows(record)
    )
    last = record.points[-1]
    tables = by_table(last)
    more = f" (the first {_TABLES} of {len(tables)})" if len(tables) > _TABLES else ""
    print_lines_and_table(
        ["", f"By table{more}, {_where(last)}:"], ["table", *PART_HEADINGS], part_rows(tables[:_TABLES])
    )
    print_lines_and_table(["", "By how often a row is used:"], ["used", *PART_HEADINGS], part_rows(by_use(last)))


def _ages_figure(record: HarmRecord) -> dict[str, Any]:
    import altair as alt

    from cprmodel.report.charts import framed

    def row(one: AtAge, what: str, value: float) -> dict[str, Any]:
        return {
            "after": f"after {one.position_samples:,.0f} samples",
            "age": one.age_samples,
            "what": what,
            "rise": value,
            "low": value - 1.645 * one.rise_error if what == "true" else value,
            "high": value + 1.645 * one.rise_error if what == "true" else value,
        }

    rows = [
        row(one, what, value)
        for one in at_ages(record)
        for what, value in (("true", one.rise), ("predicted", one.predicted), ("quadratic", one.quadratic))
    ]
    names = ["true", "predicted", "quadratic"]
    color = alt.Color("what:N", title=None, scale=alt.Scale(domain=names, range=[_COLORS[name] for name in names]))
    after = [f"after {point.position_samples:,.0f} samples" for point in record.points]
    positive = all(one["low"] > 0 and one["rise"] > 0 for one in rows)  # ages are powers of two: so are rises
    scale = alt.Scale(type="log", nice=False, padding=8) if positive else alt.Scale()
    base = alt.Chart(alt.InlineData(values=rows))
    x = alt.X(
        "age:Q",
        title="put back by so many samples",
        scale=alt.Scale(type="log", nice=False, padding=12),
        axis=alt.Axis(values=sorted({one["age"] for one in rows}), format=",.0f"),
    )
    shape = alt.Shape("after:N", title=None, sort=after, legend=alt.Legend(columns=3))
    lines = base.mark_line(strokeWidth=1.5).encode(
        x=x,
        y=alt.Y("rise:Q", title="rise of the log loss", scale=scale, axis=alt.Axis(format="~g")),
        color=color,
        detail="after:N",
    )
    points = base.mark_point(filled=True, size=60).encode(
        x=x, y="rise:Q", color=color, shape=shape, tooltip=["after:N", "age:Q", "what:N", "rise:Q"]
    )
    bars = (
        base.transform_filter("datum.what === 'true'")
        .mark_rule(color=_COLORS["true"], opacity=0.5)
        .encode(x=x, y="low:Q", y2="high:Q")
    )
    return {
        "id": "rise-by-age",
        "title": "What it costs at once to put every row back",
        "summary": _ages_in_words(record),
        "caption": "True rise on the probe samples with its 90% interval; predicted: quadratic and gradient term, "
        "of the same samples, so that their noise is shared.",
        "chart": framed(alt.layer(lines, bars, points), 320),
        "rows": rows,
    }


def _most(parts: Sequence[Part]) -> Sequence[Part]:
    return sorted(parts, key=lambda one: -one.quadratic)[:3]


def _ages_in_words(record: HarmRecord) -> str:
    found = at_ages(record)
    least, most = (pick(found, key=lambda one: one.rise) for pick in (min, max))
    said = (
        f"{one.rise:.2e} for {one.age_samples:,.0f} samples after {one.position_samples:,.0f}"
        for one in (least, most)
    )
    return "True rises from {} to {}.".format(*said)


def _parts_figure(name: str, title: str, caption: str, parts: Sequence[Part], axis: str) -> dict[str, Any]:
    import altair as alt

    from cprmodel.report.charts import framed

    rows = [
        {
            "part": one_line(one.name),
            "quadratic": one.quadratic,
            "rise": one.rise,
            "low": one.rise - 1.645 * one.rise_error,
            "high": one.rise + 1.645 * one.rise_error,
            "rows": one.rows,
            "accesses": one.accesses,
        }
        for one in parts
    ]
    base = alt.Chart(alt.InlineData(values=rows))
    y = alt.Y("part:N", title=axis, sort=None, axis=alt.Axis(labelLimit=320))
    bars = base.mark_bar(color=_COLORS["quadratic"]).encode(
        y=y,
        x=alt.X("quadratic:Q", title="rise of the log loss"),
        tooltip=["part:N", "quadratic:Q", "rise:Q", "rows:Q", "accesses:Q"],
    )
    rules = base.mark_rule(color=_COLORS["predicted"]).encode(y=y, x="low:Q", x2="high:Q")
    points = base.mark_point(color=_COLORS["predicted"], filled=True).encode(y=y, x="rise:Q")
    return {
        "id": name,
        "title": title,
        "summary": "The most: " + ", ".join(f"{one.name} {one.quadratic:.2e}" for one in _most(parts)) + ".",
        "caption": caption,
        "chart": framed(alt.layer(bars, rules, points), max(120, 24 * len(rows))),
        "rows": rows,
    }


def render_harm(record: HarmRecord, source: str) -> str:
    """The page as HTML text."""
    from cprmodel.report.page import render_page

    last = record.points[-1]
    said = f"{_where(last).capitalize()}. Bars: quadratic term; points: with the gradient term, and 90% intervals."
    figures = [
        _ages_figure(record),
        _parts_figure("harm-by-table", "Where the harm sits, by table", said, by_table(last), "table"),
        _parts_figure(
            "harm-by-use", "Where the harm sits, by how often a row is used", said, by_use(last), "a row is used"
        ),
    ]
    return render_page(
        "fitted.html.j2",
        None,
        figures,
        question="What lost rows cost",
        source=Path(source).name,
        headings=HEADINGS,
        rows=age_rows(record),
        lines=harm_lines(record),
        best=-1,
    )


@unchecked()
def write_harm_report(record: HarmRecord, source: str, path: str | Path) -> None:
    """Write the page; it appears whole or not at all."""
    from cprmodel.facts.files import write_whole

    write_whole(path, render_harm(record, source))
