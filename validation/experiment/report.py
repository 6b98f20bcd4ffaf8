"""An experiment for people: tables, a page with charts, Markdown; all from the outcome alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cprmodel.facts.tables import in_markdown
from cprmodel.facts.units import format_share, format_time
from cprmodel.report.accuracy import accuracy_lines
from cprmodel.report.page import job_inputs
from validation.experiment import captions
from validation.experiment.accuracy import fitted
from validation.experiment.design import RECOMMENDED
from validation.experiment.outcome import Comparison, Outcome, Run
from validation.experiment.recommendation import overheads, within_budget
from validation.experiment.relearn import predictors
from validation.experiment.timing import late, percent, useful
from validation.experiment.verdict import Verdict

__all__ = ["markdown", "page", "tables"]

_COLORS = {Verdict.PASS.value: "#2f7d3b", Verdict.FAIL.value: "#b3261e", Verdict.INCONCLUSIVE.value: "#8a6d00"}

Table = dict[str, Any]


def _amount(quantity: str, value: float, number: int) -> str:
    """Mean over the runs: a share of the useful time, or a PLS."""
    return f"{value / number:.4f}" if quantity == "pls" else format_share(value / number)


def tables(outcome: Outcome) -> list[Table]:
    """Every table of the report: title, caption, headings, rows. Made once: some of it is fitted."""
    found = [_checks(outcome), *(_comparisons(outcome, against) for against in captions.AGAINST)]
    found += [
        _orders(outcome),
        late(outcome),
        useful(outcome),
        _strategies(outcome),
        _losses(outcome),
        _fitted(outcome),
        *_predictors(outcome),
        _runs(outcome),
    ]
    return [{"prose": False, "long": False, **table} for table in found if table["rows"]]


def _comparisons(outcome: Outcome, against: str) -> Table:
    rows, expected = [], against == "expected"
    for one in outcome.comparisons:
        if one.against != against:
            continue
        runs = _number(outcome, one)
        asked = "" if one.tolerance is None else f"±{100 * one.tolerance:g}%"
        verdict = one.verdict.value if one.verdict else ""
        rows.append(
            (
                f"{one.recovery}: {captions.NAMES[one.quantity]}",
                _amount(one.quantity, one.predicted, runs),
                _amount(one.quantity, one.measured, runs),
                *([_amount(one.quantity, one.measured - one.by_chance, runs)] if expected else []),
                percent(one.difference),
                f"{percent(one.low)} to {percent(one.high)}",
                asked,
                verdict,
            )
        )
    return {
        "title": f"Predicted {captions.AGAINST[against]}",
        "caption": captions.COMPARED + (captions.WITHOUT_CHANCE if expected else ""),
        "headings": (
            *("recovery, part", "predicted", "measured"),
            *(["without chance"] if expected else []),
            *("difference", "90% interval", "asked", "verdict"),
        ),
        "rows": rows,
    }


def _number(outcome: Outcome, one: Comparison) -> int:
    return sum(run.recovery == one.recovery and run.label != RECOMMENDED for run in outcome.tried())


def _checks(outcome: Outcome) -> Table:
    return {
        "title": "Other hypotheses",
        "caption": "",
        "headings": ("hypothesis", "found", "verdict"),
        "prose": True,
        "rows": [(check.name, check.said, check.verdict.value) for check in outcome.checks],
    }


def _strategies(outcome: Outcome) -> Table:
    """What was tried, the least overhead first."""
    rows = []
    for name, by_seed in overheads(outcome).items():
        runs = [run for run in outcome.tried() if run.label == name]
        mean = sum(by_seed.values()) / len(by_seed)
        expected = [run.expected for run in runs if run.expected]
        said = sum(float(one.spent.total) / one.useful_s for one in expected) / max(1, len(expected))
        pls = sum(run.measured.summary.pls for run in runs if run.measured) / len(runs)
        drops = [run.metric_drop for run in runs if run.metric_drop is not None]
        drop = f"{sum(drops) / len(drops):+.5f}" if drops else ""
        label = name
        if name == RECOMMENDED and outcome.recommended:
            label = f"plan's: {outcome.recommended[0]}, every {outcome.recommended[1]} steps"
        kept = "yes" if within_budget(outcome, name) else "no"
        rows.append((mean, (label, len(runs), format_share(said), format_share(mean), f"{pls:.4f}", kept, drop)))
    return {
        "title": "Strategies that were tried",
        "caption": captions.TRIED.format(budget=outcome.experiment.experiment.pls_budget),
        "headings": ("strategy", "runs", "expected", "measured", "PLS", "in budget", "AUC drop"),
        "rows": [row for _, row in sorted(rows, key=lambda pair: pair[0])],
    }


def _runs(outcome: Outcome) -> Table:
    rows = []
    for run in outcome.tried():
        assert run.measured is not None
        spent = run.measured.spent.scaled(1 / run.measured.useful_s)
        drop = "" if run.metric_drop is None else f"{run.metric_drop:+.5f}"
        rows.append(
            (
                f"seed {run.seed + 1}: {run.name}",
                len(run.measured.positions),
                format_time(run.measured.time_to_train_s),
                *(format_share(part) for part in spent),
                *_totals(run),
                f"{run.measured.summary.pls:.4f}",
                f"{run.executed.pls:.4f}" if run.executed else "",
                drop,
            )
        )
    return {
        "title": "Runs",
        "long": True,
        "caption": captions.RUNS,
        "headings": (
            "run",
            "failures",
            "time",
            "saves",
            "loads",
            "lost",
            "resched.",
            "total",
            "planned",
            "as struck",
            "PLS",
            "as struck",
            "AUC drop",
        ),
        "rows": rows,
    }


def _totals(run: Run) -> tuple[str, str, str]:
    def share(one: Any, useful_s: float) -> str:
        return format_share(float(one.spent.total) / useful_s) if one else ""

    assert run.measured is not None
    measured = format_share(float(run.measured.spent.total) / run.measured.useful_s)
    planned = share(run.planned, run.planned.useful_s) if run.planned else ""
    executed = share(run.executed, run.executed.useful_s) if run.executed else ""
    return measured, planned, executed


def _losses(outcome: Outcome) -> Table:
    """The metric's drop, by the way that samples were lost."""
    import numpy as np

    rows = []
    for loss in outcome.experiment.experiment.losses:
        runs = [run for run in outcome.runs if run.loss and run.loss["name"] == loss.name]
        found = [
            (run.measured.summary.pls, run.metric_drop)
            for run in runs
            if run.measured and run.metric_drop is not None
        ]
        if not found:
            continue
        pls, drops = (np.array(column, dtype=float) for column in zip(*found, strict=True))
        error = float(np.std(drops, ddof=1) / len(drops) ** 0.5) if len(drops) > 1 else float("nan")
        shown = f"± {error:.5f}" if len(drops) > 1 else ""
        victims = f"shard {', '.join(map(str, loss.shards))}" if loss.shards else "any shard"
        rows.append(
            (
                loss.name,
                loss.failures,
                f"{100 * loss.window[0]:g}–{100 * loss.window[1]:g}%",
                f"{victims} ({loss.placement})",
                f"{float(pls.mean()):.4f}",
                f"{float(drops.mean()):+.5f} {shown}",
                f"{float(drops.mean() / pls.mean()):.4f}",
            )
        )
    return {
        "title": "What a lost sample costs",
        "caption": captions.LOST,
        "headings": ("pattern", "failures", "when", "who", "PLS", "AUC drop", "drop per PLS"),
        "rows": rows,
    }


def _orders(outcome: Outcome) -> Table:
    """Which rows were saved first, and what was lost."""
    import numpy as np

    section = outcome.experiment.experiment.orders
    part = format_share(section.fraction) if section else ""
    rows = []
    for one in outcome.orders:
        drops = np.array(one.drops)
        error = f" ± {float(drops.std(ddof=1) / drops.size**0.5):.5f}" if drops.size > 1 else ""
        rows.append(
            (
                one.name,
                len(one.seeds),
                f"{one.saved_rows:,.0f}",
                f"{float(np.mean(one.predicted)):.5f}",
                f"{float(np.mean(one.measured)):.5f}",
                f"{drops.mean():+.5f}{error}" if drops.size else "",
            )
        )
    return {
        "title": "Which rows to save first",
        "caption": captions.ORDERED.format(steps=section.interval_steps, part=part) if section else "",
        "headings": ("order", "runs", "rows saved", "lost updates, predicted", "measured", "AUC drop"),
        "rows": rows,
    }


def _fitted(outcome: Outcome) -> Table:
    """The accuracy model, line by line."""
    section = outcome.experiment.experiment
    found = fitted(outcome) if section.losses or section.orders else None
    return {
        "title": "The accuracy model fitted to these runs",
        "caption": "By `cprmodel accuracy` from accuracy.json, which holds the paired runs.",
        "headings": ("finding",),
        "prose": True,
        "rows": [(line,) for line in accuracy_lines(found)] if found else [],
    }


def _predictors(outcome: Outcome) -> list[Table]:
    """Ways to predict the drop, on runs that they have not seen."""
    found, curves = predictors(outcome)
    if not found:
        return []
    names = list(found[0].by_pattern)
    rows = []
    for one in found:
        cells = [f"{one.by_pattern[name][0]:+.5f}" for name in names]
        rows.append((one.name, f"{one.rmse:.5f}", *cells))
    rows.append(("measured", "", *(f"{found[0].by_pattern[name][1]:+.5f}" for name in names)))
    exponents = [curve.exponent for curve in curves]
    return [
        {
            "title": "Predicting the drop on held-out runs",
            "caption": captions.PREDICTORS.format(low=min(exponents), high=max(exponents)),
            "headings": ("predictor", "error (RMS)", *names),
            "rows": rows,
        }
    ]


def remarks(outcome: Outcome) -> list[str]:
    """Runs that failed or were odd; an experiment that is not over."""
    said = []
    if not outcome.ended:
        done, of = len(outcome.runs), outcome.experiment.total
        said.append(f"the experiment was cut off, or is under way: {done} of {of} runs are done")
    if outcome.calibrated_once:
        said.append(
            "calibrated once, for all seeds: what that has by chance does not scatter over seeds; intervals of "
            "times are wider by as much"
        )
    for run in outcome.runs:
        name = f"seed {run.seed + 1}: {run.name}"
        if run.status != "finished":
            said.append(f"{name} {run.status}: {run.reason}")
        elif run.odd:
            said.append(f"{name}: {'; '.join(run.odd)} (counted like the others)")
    return said


def where(outcome: Outcome) -> str:
    """Machine, date, commit."""
    machine = outcome.started["machine"]
    memory = f", {machine['memory_bytes'] / 2**30:.0f} GiB" if "memory_bytes" in machine else ""
    return (
        f"{outcome.started['date']}, cprmodel {outcome.started['version']} at {outcome.started['commit']}; "
        f"{machine.get('cpu', 'unknown processor')}, {machine['cpus']} processors{memory}, {machine['system']}, "
        f"Python {machine['python']}"
    )


def _emulated(outcome: Outcome) -> str:
    charged = outcome.experiment.charged
    if charged is None:
        return ""
    return (
        f"Steps, saves, loads and rescheduling are charged what {charged.source} says they take; nothing here is a "
        "measured time. What is real: training, the processes that are killed, what they lose, what is done again."
    )


def verdict_said(outcome: Outcome) -> str:
    counts = [f"{outcome.verdicts.count(one)} {one.value}" for one in Verdict if one in outcome.verdicts]
    return f"{len(outcome.verdicts)} hypotheses: {', '.join(counts) or 'none asked'}."


def markdown(outcome: Outcome, name: str, shown: Sequence[Table]) -> str:
    """The outcome as Markdown; ``shown``: what :func:`tables` gave."""
    lines = [f"# Predicted, then measured: {in_markdown(name)}", "", where(outcome) + ".", ""]
    if outcome.spoiled:
        lines += [f"**Spoiled on purpose.** {captions.SPOILED[outcome.spoiled]}", ""]
    if outcome.recalibrated:
        lines += [f"**Calibrated anew.** {captions.RECALIBRATED}", ""]
    if outcome.emulated:
        lines += [f"**Emulated clock.** {_emulated(outcome)}", ""]
    lines += [f"**{outcome.verdict.value}.** {verdict_said(outcome)}", ""]
    for table in shown:
        lines += [f"## {table['title']}", ""]
        if table["caption"]:
            lines += [table["caption"], ""]
        lines.append("| " + " | ".join(table["headings"]) + " |")
        lines.append("| --- |" + " ---: |" * (len(table["headings"]) - 1))
        lines += ["| " + " | ".join(map(in_markdown, row)) + " |" for row in table["rows"]]
        lines.append("")
    if outcome.experiment.charged:
        lines += [f"## What {in_markdown(outcome.experiment.charged.source)} charges", ""]
        lines += ["| key | value | source |", "| --- | ---: | --- |"]
        lines += [f"| {' | '.join(map(in_markdown, row))} |" for row in job_inputs(outcome.experiment.charged.job)]
        lines.append("")
    if said := remarks(outcome):
        lines += ["## Odd and failed runs", "", *(f"- {in_markdown(line)}" for line in said), ""]
    return "\n".join(lines)


def page(outcome: Outcome, name: str, shown: Sequence[Table]) -> str:
    """The page as HTML text; ``shown``: what :func:`tables` gave."""
    from cprmodel.report.page import render_page
    from validation.experiment.charts import figures

    return render_page(
        "experiment.html.j2",
        outcome.experiment.charged.job if outcome.experiment.charged else None,
        figures(outcome),
        folder=Path(__file__).parent,
        name=name,
        where=where(outcome),
        spoiled=captions.SPOILED[outcome.spoiled] if outcome.spoiled else "",
        recalibrated=captions.RECALIBRATED if outcome.recalibrated else "",
        emulated=_emulated(outcome),
        verdict=outcome.verdict.value,
        verdict_said=verdict_said(outcome),
        tables=shown,
        colors=_COLORS,
        remarks=remarks(outcome),
    )
