"""A table of cells, as it was found in a file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cprmodel.facts.errors import JobError, Problem

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Table", "wrong"]


@dataclass(frozen=True)
class Table:
    """Cells as text, one column a name; null where a row has none."""

    source: str
    form: str  #: how the file was taken apart, in words
    frame: Any = field(repr=False)  #: of polars; without it :class:`~cprmodel.logs.alone.Frame`
    lines: Any = field(repr=False)  #: where each row stands: its line, or its number in a list
    place: str = "line"  #: what those numbers count
    has_heading: bool = True
    notes: tuple[str, ...] = ()

    @property
    def columns(self) -> list[str]:
        return list(self.frame.columns)

    def __len__(self) -> int:
        return int(self.frame.height)

    def column(self, name: str) -> pl.Series:
        """The cells of a column."""
        cells: pl.Series = self.frame[name]
        return cells

    def kept(self, mask: Any) -> Table:
        """Some of the rows."""
        import polars as pl

        chosen = pl.Series(mask)
        lines = self.lines[mask]
        return Table(
            self.source, self.form, self.frame.filter(chosen), lines, self.place, self.has_heading, self.notes
        )


def wrong(source: str, expected: str, where: str = "", value: str = "") -> JobError:
    """A mistake in a file, at a place in it."""
    return JobError(source, [Problem(where, value, expected)])
