"""Lines and a table in a terminal, for what is no plan: nothing of planning is read here."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["print_lines_and_table"]


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
