"""The table of a plan: which strategies and quantities it has, and how it is laid out for a width."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cprmodel.facts.units import format_bytes, format_chance, format_money, format_share, format_time

if TYPE_CHECKING:
    from cprmodel.planning.result import Plan, StrategyPlan

__all__ = ["MOST", "Block", "blocks", "or_no_bound", "plan_rows", "shown_strategies"]

#: Strategies that a table has unless all are asked for.
MOST = 6

#: Smaller parts of the overhead have no row.
_TOLD = 1e-9

#: Quantities in the order in which they are given up where the width is short, the first never.
_FIRST = (
    "save every (work)",
    "overhead",
    "keeps the budget",
    "expected PLS",
    "lost work",
    "saves",
    "effective time",
    "cost to train",
    "metric drop",
    "P(over the budget)",
    "recovery",
    "rescheduling",
    "loads",
)


def or_no_bound(value: float | None, show: Callable[[float], str]) -> str:
    return "no bound" if value is None else show(value)


def _interval_limit(one: StrategyPlan, side: int) -> str:
    return "" if one.interval_ci90_s is None else or_no_bound(one.interval_ci90_s[side], format_time)


def _overhead_limit(one: StrategyPlan, side: int) -> str:
    return "" if one.overhead_ci90 is None else or_no_bound(one.overhead_ci90[side], format_share)


def _limit(one: StrategyPlan, side: int) -> str:
    interval = one.expected_metric_drop_interval_90
    return "" if interval is None else f"{interval[side]:.2g}"


def _known(size: float | None) -> str:
    return "" if size is None else format_bytes(size)


def _steps(number: int | None) -> str:
    return "" if number is None else f"{number:,}"


def _share(part: float) -> str:
    return format_share(part) if part > _TOLD else ""


def _several(one: StrategyPlan, which: int) -> str:
    return "" if one.pattern is None or one.pattern[which] == 1 else f"{one.pattern[which]:,}"


def _persisted(one: StrategyPlan) -> str:
    """Experts in what is written at the last level."""
    levels, of = one.experts_by_level, one.experts_saved
    return "" if levels is None or of is None else f"{[*levels.values()][-1]} of {of[1]}"


def _kept(one: StrategyPlan) -> str:
    if not one.feasible:
        return "no"
    return "on average" if one.expected_pls > 0 else "yes"


def _chance_over(one: StrategyPlan) -> str:
    chance = one.probability_over_budget
    return "" if not chance else format_chance(chance)


_ROWS: list[tuple[str, Callable[[StrategyPlan], str]]] = [
    ("recovery", lambda one: one.strategy.recovery.name),
    ("save every (work)", lambda one: format_time(one.interval_s)),
    ("  in steps", lambda one: "" if one.order else _steps(one.interval_steps)),
    ("  to the last level", lambda one: format_time(one.last_level_s) if one.last_level_s else ""),
    ("  saves to a check", lambda one: _several(one, 0)),
    ("  checks to a save", lambda one: _several(one, 1)),
    ("  experts in each", lambda one: "{} of {}".format(*one.experts_saved) if one.experts_saved else ""),
    ("  at the last level", lambda one: _persisted(one)),
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
    ("  rescheduling", lambda one: format_share(one.parts["reschedule"])),
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
    ("keeps the budget", lambda one: _kept(one)),
    ("  P(over the budget)", lambda one: _chance_over(one)),
]


#: What a cell says where there is nothing of it: a row of these alone is left out.
_NOTHING = {label: format_share(0.0) for label in ("  loads", "  rescheduling", "  lost work", "  saves")}
_NOTHING |= {"expected PLS": "0", "metric drop": "0"}

_OF_LOSSES = ("expected PLS", "  ± SD of one run", "keeps the budget", "  P(over the budget)")


def plan_rows(plan: Plan, strategies: Sequence[StrategyPlan] | None = None) -> list[tuple[str, list[str]]]:
    """The table: one row per quantity, one cell per strategy; rows that say nothing are left out."""
    shown = plan.strategies if strategies is None else strategies
    rows = [(label, [show(one) for one in shown]) for label, show in _ROWS]
    if plan.job.cluster.embedding_shards is None and not plan.job.checkpoint.rotates:
        rows = [row for row in rows if row[0] not in _OF_LOSSES]  # a dense model loses no samples
    if plan.job.cost is not None:
        currency = plan.job.cost.currency
        paid = [one.dollars_per_month for one in shown]
        in_all = [one.dollars_to_train for one in shown]
        for label, amounts in (("cost to train", in_all), ("  of overhead, a month", paid)):
            rows.append((label, ["" if one is None else format_money(one, currency) for one in amounts]))
    return [(label, cells) for label, cells in rows if any(cell not in ("", _NOTHING.get(label)) for cell in cells)]


def shown_strategies(plan: Plan, everything: bool = False) -> tuple[list[StrategyPlan], list[StrategyPlan]]:
    """Those of the table, in the plan's order, and those left out, of the others those that cost most."""
    if everything or len(plan.strategies) <= MOST:
        return list(plan.strategies), []
    kept = {plan.recommended, "current", "full", "partial"}
    by_cost = sorted(
        plan.strategies, key=lambda one: (one.name not in kept, not one.feasible, one.overhead_fraction)
    )
    names = {one.name for one in by_cost[:MOST]}
    return [one for one in plan.strategies if one.name in names], [one for one in by_cost if one.name not in names]


@dataclass(frozen=True)
class Block:
    """A table that fits: headings, and rows that begin with their label."""

    headings: list[str]
    rows: list[list[str]]
    without: tuple[str, ...] = ()  #: quantities for which there was no room


_GAP = 2  # columns between columns


def _width(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    cells = [[len(part) for part in heading.split("\n")] for heading in headings]
    wide = [max(max(cells[at]), *(len(row[at]) for row in rows), 0) for at in range(len(headings))]
    return sum(wide) + _GAP * (len(wide) - 1)


def blocks(plan: Plan, width: int, everything: bool = False) -> list[Block]:
    """The table: strategies as columns where they fit, else as rows.

    As rows, the quantities for which there is no room are left out and named; with ``everything`` strategies are
    columns of several tables instead, and nothing is left out.
    """
    strategies, _ = shown_strategies(plan, everything)
    rows = plan_rows(plan, strategies)
    whole = [[label, *cells] for label, cells in rows]
    headings = ["", *(_heading(plan, one) for one in strategies)]
    if _width(headings, whole) <= width:
        return [Block(headings, whole)]
    if everything:
        return _split(headings, whole, width)
    return [_as_rows(headings[1:], rows, width)]


def _heading(plan: Plan, one: StrategyPlan) -> str:
    mark = " *" if one.name == plan.recommended else ""
    return one.name.replace("at-full", "at-\nfull").replace("update-", "update-\n") + mark


def _split(headings: list[str], rows: list[list[str]], width: int) -> list[Block]:
    found, first = [], 1
    while first < len(headings):
        last = first + 1
        while last < len(headings):
            take = [0, *range(first, last + 1)]
            if _width([headings[at] for at in take], [[row[at] for at in take] for row in rows]) > width:
                break
            last += 1
        take = [0, *range(first, last)]
        part = [[row[at] for at in take] for row in rows if any(row[at] for at in take[1:])]
        found.append(Block([headings[at] for at in take], part))
        first = last
    return found


def _as_rows(names: list[str], rows: list[tuple[str, list[str]]], width: int) -> Block:
    cells = dict(rows)
    by_name: dict[str, str] = {}
    for label in cells:
        by_name.setdefault(label.strip(), label)
    wanted = [by_name[one] for one in _FIRST if one in by_name]
    strategies = [name.replace("\n", "") for name in names]

    def table(labels: Sequence[str]) -> tuple[list[str], list[list[str]]]:
        headings = ["strategy", *(_short(label) for label in labels)]
        return headings, [[name, *(cells[label][at] for label in labels)] for at, name in enumerate(strategies)]

    kept = wanted[:2]
    for label in wanted[2:]:
        if _width(*table([*kept, label])) <= width:
            kept.append(label)
    kept = [label for label in cells if label in kept]  # in the order of the whole table
    without = tuple(label.strip() for label in cells if label not in kept)
    return Block(*table(kept), without)


def _short(label: str) -> str:
    said = label.strip()
    return {
        "save every (work)": "save every\n(work)",
        "keeps the budget": "keeps the\nbudget",
        "P(over the budget)": "P(over the\nbudget)",
        "effective time": "effective\ntime",
        "expected PLS": "expected\nPLS",
        "lost work": "lost\nwork",
        "metric drop": "metric\ndrop",
    }.get(said, said)
