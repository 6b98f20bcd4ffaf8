"""The Standard Workload Format of the Parallel Workloads Archive (Feitelson): 18 numbers a line, comments: ;"""

from __future__ import annotations

from cprmodel.logs.table import Table, wrong

__all__ = ["table_of_workloads"]

#: Names of its columns, as the roles of columns know them.
_SWF = (
    "job id",
    "submit_s",
    "wait_s",
    "run time_s",
    "processors",
    "cpu time_s",
    "memory",
    "processors asked",
    "time asked",
    "memory asked",
    "status",
    "user",
    "group",
    "executable",
    "queue",
    "partition",
    "before",
    "think time",
)
_SWF_STATUS = {"0": "FAILED", "1": "COMPLETED", "2": "FAILED", "3": "COMPLETED", "4": "FAILED", "5": "CANCELLED"}


def table_of_workloads(text: str, source: str) -> Table:
    """A log in the Standard Workload Format: run times, and how jobs ended (by number)."""
    import numpy as np
    import polars as pl

    rows, lines = [], []
    for number, line in enumerate(text.split("\n"), start=1):
        cells = line.split()
        if not cells or cells[0].startswith(";"):
            continue
        if len(cells) != len(_SWF):
            raise wrong(source, f"{len(_SWF)} numbers, as the Standard Workload Format has", f"line {number}")
        rows.append(["" if cell == "-1" else cell for cell in cells])
        lines.append(number)
    if not rows:
        raise wrong(source, "at least one row below the comments")
    columns = [
        pl.Series(name, cells, dtype=pl.String) for name, cells in zip(_SWF, zip(*rows, strict=True), strict=True)
    ]
    frame = pl.DataFrame(columns).with_columns(pl.col("status").replace(_SWF_STATUS))
    return Table(source, "Standard Workload Format", frame, np.array(lines), "line", True)
