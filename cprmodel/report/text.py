"""A plan as text for a terminal."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cprmodel.facts.errors import one_line
from cprmodel.facts.units import count_of, format_bytes, format_money, format_share, format_time

if TYPE_CHECKING:
    from cprmodel.planning.renewal import Renewal
    from cprmodel.planning.result import Plan, StrategyPlan
    from cprmodel.planning.uncertainty import Robust
    from cprmodel.simulation.renewals import Share

__all__ = ["plan_rows", "print_lines_and_table", "print_plan", "uncertainty_lines"]


def _open(value: float | None, show: Callable[[float], str]) -> str:
    return "no bound" if value is None else show(value)


def _interval_limit(one: StrategyPlan, side: int) -> str:
    return "" if one.interval_ci90_s is None else _open(one.interval_ci90_s[side], format_time)


def _overhead_limit(one: StrategyPlan, side: int) -> str:
    return "" if one.overhead_ci90 is None else _open(one.overhead_ci90[side], format_share)


def _limit(one: StrategyPlan, side: int) -> str:
    interval = one.expected_metric_drop_interval_90
    return "" if interval is None else f"{interval[side]:.2g}"


def _known(size: float | None) -> str:
    return "" if size is None else format_bytes(size)


def _steps(number: int | None) -> str:
    return "" if number is None else f"{number:,}"


def _share(part: float) -> str:
    return format_share(part) if part > _TOLD else ""


def _rescheduling(one: StrategyPlan) -> float:
    """Without what has rows of its own beside it."""
    return float(one.breakdown.reschedule) - one.fewer_nodes_fraction - one.stragglers_fraction


def _several(one: StrategyPlan, which: int) -> str:
    return "" if one.pattern is None or one.pattern[which] == 1 else f"{one.pattern[which]:,}"


#: Smaller parts of the overhead have no row.
_TOLD = 1e-9
#: Pieces of work by age that are printed.
_FIRST_WORKS = 5

_ROWS: list[tuple[str, Callable[[StrategyPlan], str]]] = [
    ("recovery", lambda one: one.strategy.recovery.name),
    ("save every (work)", lambda one: format_time(one.interval_s)),
    ("  in steps", lambda one: "" if one.order else _steps(one.interval_steps)),
    ("  to the last level", lambda one: format_time(one.last_level_s) if one.last_level_s else ""),
    ("  saves to a check", lambda one: _several(one, 0)),
    ("  checks to a save", lambda one: _several(one, 1)),
    ("  experts in each", lambda one: "{} of {}".format(*one.experts_saved) if one.experts_saved else ""),
    ("  a part, every", lambda one: format_time(one.strategy.saves_every_s) if one.order else ""),
    ("    in steps", lambda one: _steps(one.saves_every_steps) if one.order else ""),
    ("  best, 90%: from", lambda one: _interval_limit(one, 0)),
    ("  best, 90%: to", lambda one: _interval_limit(one, 1)),
    ("overhead", lambda one: format_share(one.overhead_fraction)),
    ("  90%: from", lambda one: _overhead_limit(one, 0)),
    ("  90%: to", lambda one: _overhead_limit(one, 1)),
    ("  saves", lambda one: format_share(one.breakdown.save)),
    ("  loads", lambda one: format_share(one.breakdown.load)),
    ("  lost work", lambda one: format_share(one.breakdown.lost)),
    ("  rescheduling", lambda one: format_share(_rescheduling(one))),
    ("    of it waiting", lambda one: _share(one.waiting_fraction)),
    ("    of it planned", lambda one: _share(one.planned_fraction)),
    ("  on fewer nodes", lambda one: _share(one.fewer_nodes_fraction)),
    ("  stragglers", lambda one: _share(one.stragglers_fraction)),
    ("effective time", lambda one: format_share(one.effective_time_ratio)),
    ("expected PLS", lambda one: f"{one.expected_pls:.3g}"),
    ("  ± SD of one run", lambda one: f"{one.pls_standard_deviation:.2g}" if one.expected_pls else ""),
    (
        "metric drop",
        lambda one: "" if one.expected_metric_drop is None else f"{one.expected_metric_drop:.2g}",
    ),
    ("  90%: from", lambda one: _limit(one, 0)),
    ("  90%: to", lambda one: _limit(one, 1)),
    ("space kept", lambda one: _known(one.space_kept_bytes)),
    ("written a month", lambda one: _known(one.write_bytes_per_month)),
    ("keeps the budget", lambda one: "yes" if one.feasible else "no"),
]


_OF_LOSSES = ("expected PLS", "  ± SD of one run", "keeps the budget")


def plan_rows(plan: Plan) -> list[tuple[str, list[str]]]:
    """The table: one row per quantity, one cell per strategy; rows that say nothing are left out."""
    rows = [(label, [show(one) for one in plan.strategies]) for label, show in _ROWS]
    if plan.job.cluster.embedding_shards is None and plan.job.checkpoint.rotating is None:
        rows = [row for row in rows if row[0] not in _OF_LOSSES]  # a dense model loses no samples
    if plan.job.cost is not None:
        currency = plan.job.cost.currency
        paid = [one.dollars_per_month for one in plan.strategies]
        in_all = [one.dollars_to_train for one in plan.strategies]
        for label, amounts in (("cost a month", paid), ("cost to train", in_all)):
            rows.append((label, ["" if one is None else format_money(one, currency) for one in amounts]))
    return [(label, cells) for label, cells in rows if any(cells)]


def uncertainty_lines(plan: Plan) -> list[str]:
    """How sure the MTBF is, and what the robust intervals gain; nothing where it is simply given."""
    sure = plan.uncertainty
    if sure is None:
        return []
    low, high = sure.mtbf_ci90_s
    source = Path(sure.source).name or "a fit"
    lines = [
        f"MTBF {format_time(sure.mtbf_s)}{_of_nodes(plan)} from {count_of(sure.events)} ({source}), "
        f"90% interval {format_time(low)} to {_open(high, format_time)}"
    ]
    for one in sure.robust or ():
        if one.inner_90:
            lines.append(_without_bound(one, sure.events))
            continue
        gain = one.gain_fraction
        said = (
            f"robust {one.name}: every {format_time(one.interval_s)} rather than "
            f"{format_time(one.plain_interval_s)}; expected overhead "
            f"{_open(one.expected_overhead_fraction, format_share)} instead of "
            f"{_open(one.plain_expected_overhead_fraction, format_share)}"
        )
        if gain is not None and one.plain_expected_overhead_fraction:
            said += f" ({100 * gain / one.plain_expected_overhead_fraction:+.2g}% saved of it)"
        if one.plain_expected_pls > one.expected_pls > 0:
            said += f", expected PLS {one.expected_pls:.3g} instead of {one.plain_expected_pls:.3g}"
        lines.append(said)
    return lines if sure.renewal is None else [*lines, *_renewal_lines(sure.renewal, sure.mtbf_s)]


def _of_nodes(plan: Plan) -> str:
    failures = plan.job.failures
    return (
        f" of {failures.nodes:,} nodes"
        if failures.nodes is not None and failures.fit != failures.fit_of_job
        else ""
    )


def _without_bound(one: Robust, events: int) -> str:
    """What was chosen by where the expected overhead has no bound at any interval."""
    return (
        f"robust {one.name}: every {format_time(one.interval_s)} rather than {format_time(one.plain_interval_s)}, "
        "by the mean over the inner 90% of what the MTBF may be; over all of it the expected overhead has no bound "
        f"at any interval, for {count_of(events)} cannot rule out an MTBF so short that the job hardly ever gets on"
    )


def _renewal_lines(found: Renewal, planned_s: float) -> list[str]:
    """What a law with memory changes for full recovery, however little, by formula and by simulation."""
    from cprmodel.planning.renewal import FAILURES

    first, *others = (format_time(work) for work in found.works_s[:_FIRST_WORKS])
    return [
        f"failures follow a {found.law} law (shape {found.shape:.3g}, {_mean_of_the_law(found.mtbf_s, planned_s)})"
        f"{_how_clearly(found)}. If each renews the clock and nothing fails during recovery, full recovery's best "
        f"equal spacing is {format_time(found.interval_s)} ({format_time(found.memoryless_interval_s)} without "
        f"memory): {100 * found.efficiency:.3f}% of the time is useful, {100 * found.interval_gain:.2g} points "
        f"more (simulated {_points(found.simulated_interval_gain)})",
        f"saving by age, after {first} of work from a failure on and then {', '.join(others)} ...: "
        f"{100 * found.by_age_efficiency:.3f}%, {100 * found.by_age_gain:.2g} points more than equal spacing "
        f"(simulated {_points(found.simulated_by_age_gain)}, {FAILURES:,} failures); if they have no memory after "
        f"all, the same saves lose {100 * found.by_age_loss_without_memory:.2g} points",
    ]


def _mean_of_the_law(mean_s: float, planned_s: float) -> str:
    """The law's mean, and why it is another than the MTBF that is planned for."""
    if abs(mean_s / planned_s - 1) < 0.005:
        return f"mean {format_time(mean_s)}"
    return (
        f"whose own mean, times beyond those that were seen included, is {format_time(mean_s)}; planned for is "
        f"exposure over failures, {format_time(planned_s)}"
    )


def _points(share: Share) -> str:
    """The mean to the digit that its standard error begins with."""
    error = 100 * share.standard_error
    digits = max(0, -math.floor(math.log10(error))) if error > 0 else 6
    return f"{100 * share.mean:.{digits}f} ± {error:.{digits}f}"


def _how_clearly(found: Renewal) -> str:
    """How far the trace tells the law from one without memory."""
    from cprmodel.fitting.analysis import CLEARLY, HARDLY

    if found.aic_ahead is None or found.aic_ahead >= CLEARLY:
        return ""
    sure = "hardly" if found.aic_ahead < HARDLY else "not clearly"
    return f", {sure} told from one without memory (AIC {found.aic_ahead:.1f} below)"


def print_plan(plan: Plan) -> None:
    """Print the table, the recommendation and the warnings to standard output."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    console.width = width = max(console.width, 40)
    title = plan.job.preset.title if plan.job.preset else ""
    if title:
        console.print(Text(one_line(title), style="bold"))
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("", no_wrap=True)
    for one in plan.strategies:
        mark = " *" if one.name == plan.recommended else ""
        table.add_column(one.name.replace("at-full", "at-\nfull") + mark, justify="right", no_wrap=True)
    for label, cells in plan_rows(plan):
        table.add_row(Text(label), *cells)
    natural = console.measure(table, options=console.options.update(width=999)).maximum
    console.width = max(width, natural)  # a narrow terminal wraps the table rather than lose its labels
    console.print(table)
    console.width = width
    console.print()
    console.print(Text("Recommended (*): ", style="bold") + Text(plan.sentence, style=""))
    sections = (
        ("How sure the MTBF is", uncertainty_lines(plan)),
        ("What would change it", plan.what_would_change_it),
        ("Note", plan.warnings),
    )
    for heading, lines in sections:
        if lines:
            console.print(Text(f"\n{heading}", style="bold"))
        for line in lines:
            hanging = textwrap.fill(line, width, initial_indent="  - ", subsequent_indent="    ")
            console.print(Text(hanging))
    console.print(Text(f"\nModel: {plan.model.name}. Formulas, sources and validity: --explain", style="dim"))


def print_lines_and_table(lines: Sequence[str], headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print what was found in a trace or a record, line by line, and a table below it."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    for line in lines:
        console.print(Text(line))
    if not rows:
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for index, column in enumerate(headings):
        table.add_column(column, justify="right" if index else "left", no_wrap=True)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    natural = console.measure(table, options=console.options.update(width=999)).maximum
    console.width = max(console.width, natural)
    console.print()
    console.print(table)
