"""A plan as text for a terminal."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cprmodel.facts.errors import one_line
from cprmodel.facts.units import count_of, format_chance, format_share, format_time
from cprmodel.planning import telling
from cprmodel.report.plan_table import Block, blocks, or_no_bound, plan_rows, shown_strategies

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from cprmodel.planning.renewal import Renewal
    from cprmodel.planning.result import Plan
    from cprmodel.planning.uncertainty import Robust
    from cprmodel.simulation.renewals import Share

__all__ = ["about_the_budget", "plan_rows", "print_plan", "uncertainty_lines"]


#: Pieces of work by age that are printed.
_FIRST_WORKS = 5


def uncertainty_lines(plan: Plan) -> list[str]:
    """How sure the MTBF is, and what the robust intervals gain; nothing where it is simply given."""
    sure = plan.uncertainty
    if sure is None:
        return []
    low, high = sure.mtbf_ci90_s
    source = Path(sure.source).name or "a fit"
    lines = [
        f"MTBF {format_time(sure.mtbf_s)}{_of_nodes(plan)} from {count_of(sure.events)} ({source}), "
        f"90% interval {format_time(low)} to {or_no_bound(high, format_time)}"
    ]
    for one in sure.robust or ():
        if one.inner_90:
            lines.append(_without_bound(one, sure.events))
            continue
        gain = one.gain_fraction
        said = (
            f"{one.name}, allowing for that (robust): every {format_time(one.interval_s)} rather than "
            f"{format_time(one.plain_interval_s)}; expected overhead "
            f"{or_no_bound(one.expected_overhead_fraction, format_share)} instead of "
            f"{or_no_bound(one.plain_expected_overhead_fraction, format_share)}"
        )
        if gain is not None and one.plain_expected_overhead_fraction:
            said += f" ({100 * gain / one.plain_expected_overhead_fraction:+.2g}% saved)"
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
        f"{one.name}, allowing for that (robust): every {format_time(one.interval_s)} rather than "
        f"{format_time(one.plain_interval_s)}, "
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
        f"saving by age, the first after {first} of work since a failure, the next after {', '.join(others)} ...: "
        f"{100 * found.by_age_efficiency:.3f}% of the time is useful, {100 * found.by_age_gain:.2g} points more "
        f"than equal spacing (simulated {_points(found.simulated_by_age_gain)}, {FAILURES:,} failures); if they "
        f"have no memory after all, the same saves lose {100 * found.by_age_loss_without_memory:.2g} points",
    ]


def _mean_of_the_law(mean_s: float, planned_s: float) -> str:
    """The law's mean, and why it is another than the MTBF that is planned for."""
    if abs(mean_s / planned_s - 1) < 0.005:
        return f"mean {format_time(mean_s)}"
    return (
        f"mean {format_time(mean_s)} with times longer than any that was seen; the plan uses observed time over "
        f"failures, {format_time(planned_s)}"
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
    sure = "about as well" if found.aic_ahead < HARDLY else "nearly as well"
    return f", though a constant rate fits {sure} (AIC {found.aic_ahead:.1f} higher)"


def about_the_budget(plan: Plan) -> str:
    """What keeping the budget means: it holds for the mean; the probability that one run goes over it."""
    chance, budget = plan.best.probability_over_budget, plan.best.pls_budget
    if chance is None or budget is None:
        return ""
    return f"It keeps the PLS budget of {budget:.3g} on average; P(over it) in one run = {format_chance(chance)}."


def print_plan(plan: Plan, everything: bool = False) -> None:
    """Print the recommendation, the table and the warnings to standard output.

    ``everything``: all strategies and quantities, however narrow the terminal.
    """
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    console.width = width = max(console.width, 40)
    title = plan.job.preset.title if plan.job.preset else ""
    if title:
        console.print(Text(one_line(title), style="bold"))
    said = textwrap.fill(f"Recommended (*): {plan.sentence}", width)
    console.print(_with_bold(said, "Recommended (*):"))
    for line in (about_the_budget(plan), telling.why_starred(plan)):
        if line:
            console.print(Text(textwrap.fill(line, width)))
    laid = blocks(plan, width, everything)
    for block in laid:
        console.print()
        _print_block(console, block, plan)
        console.width = width
    _print_left_out(console, plan, laid, width, everything)
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


def _with_bold(said: str, start: str) -> Text:
    from rich.text import Text

    text = Text(said)
    text.stylize("bold", 0, len(start))
    return text


def _print_block(console: Console, block: Block, plan: Plan) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for index, heading in enumerate(block.headings):
        table.add_column(heading, justify="right" if index else "left", no_wrap=True)
    for row in block.rows:
        starred = row[0] == f"{plan.recommended} *"
        table.add_row(*(Text(cell) for cell in row), style="bold" if starred else "")
    natural = console.measure(table, options=console.options.update(width=999)).maximum
    console.width = max(
        console.width, natural
    )  # a very narrow terminal wraps the table rather than lose its labels
    console.print(table)


def _print_left_out(console: Console, plan: Plan, laid: Sequence[Block], width: int, everything: bool) -> None:
    """What is not in the table, and how to see it."""
    from rich.text import Text

    _, others = shown_strategies(plan, everything)
    without = [name for block in laid for name in block.without]
    lines = []
    if others:
        costs = ", ".join(f"{one.name} {format_share(one.overhead_fraction)}" for one in others)
        lines.append(f"{len(others)} more, by overhead: {costs}.")
    if without:
        lines.append(f"No room for: {'; '.join(without)}.")
    if lines:
        said = " ".join([*lines, "--all shows everything."])
        console.print(Text(textwrap.fill(said, width), style="dim"))
