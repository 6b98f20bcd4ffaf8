"""The page of a sweep: maps and curves of the overhead, nodes, spares, the front, elasticities."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cprmodel.bulk import Elasticity, Front, NodesAnswer, SparesAnswer
from cprmodel.facts.files import write_whole
from cprmodel.report.answer_figures import front_figure, nodes_figure, spares_figure, tornado
from cprmodel.report.page import render_page
from cprmodel.report.sweep_figures import Asked, Figure, curve_figure, map_figure, slice_of

__all__ = ["Answers", "Asked", "render_sweep", "write_sweep_report"]


class Answers:
    """What a page shows beside the sweep; None where a job says nothing of it."""

    def __init__(
        self,
        elasticities: Sequence[Elasticity] = (),
        nodes: NodesAnswer | None = None,
        spares: SparesAnswer | None = None,
        front: Front | None = None,
    ) -> None:
        self.elasticities, self.nodes, self.spares, self.front = tuple(elasticities), nodes, spares, front


def _figures(asked: Asked, answers: Answers) -> list[Figure]:
    grid = asked.grid
    found: list[Figure | None] = []
    keys = () if grid is None else tuple(key for key in grid.keys if len(np.unique(grid.values(key))) > 1)
    others = ", others at the middle of their values" if len(keys) > 1 else ""
    if grid is not None and len(keys) >= 2:
        both = slice_of(asked, grid, keys[:2])
        middle = ", others at the middle of their values" if len(keys) > 2 else ""
        found.append(map_figure(keys[:2], both, middle, "overhead_fraction"))
        if len({name for name in both["recommended"] if name}) > 1:
            found.append(map_figure(keys[:2], both, middle, "recommended"))
    if grid is not None:
        found += [curve_figure(key, slice_of(asked, grid, [key]), others) for key in keys]
    if answers.nodes is not None:
        found.append(nodes_figure(answers.nodes))
    if answers.spares is not None:
        found.append(spares_figure(answers.spares, asked.job))
    if answers.front is not None:
        found.append(front_figure(answers.front))
    if answers.elasticities:
        found.append(tornado(answers.elasticities))
    return [one for one in found if one is not None]


def render_sweep(asked: Asked, answers: Answers, lines: Sequence[str], source: str) -> str:
    """The page as HTML text."""
    return render_page(
        "fitted.html.j2",
        asked.job,
        _figures(asked, answers),
        question="Plans side by side",
        source=Path(source).name,
        headings=[],
        rows=[],
        lines=list(lines),
    )


def write_sweep_report(page: str, path: str | Path) -> None:
    """Write the page; it appears whole or not at all."""
    write_whole(path, page)
