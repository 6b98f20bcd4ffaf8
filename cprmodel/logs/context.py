"""A table that is being read: its columns' roles, the user's options, and the ledger of what is left out."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from cprmodel.facts.errors import JobError, Problem
from cprmodel.facts.units import QuantityError, parse_quantity
from cprmodel.logs.clocks import (
    Read,
    are_moments,
    durations_of,
    epoch_unit,
    missing,
    moments_of,
    numbers_of,
    unit_s,
)
from cprmodel.logs.reading import JobSize, Ledger, LogOptions, LogReading
from cprmodel.logs.roles import unit_in
from cprmodel.logs.states import plain_word
from cprmodel.logs.table import Table

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Context", "counted", "date_option", "first_nodes", "mapped", "natural"]


@dataclass(frozen=True)
class Context:
    """What the rooms of each kind of log share."""

    table: Table
    roles: dict[str, str]
    options: LogOptions
    ledger: Ledger
    where: dict[str, tuple[str, ...]]  #: column → values that the user named

    @property
    def source(self) -> str:
        return self.table.source

    def cells(self, role: str) -> Any:
        """The cells of the column that has a role."""
        return self.table.column(self.roles[role])

    def wrong(self, expected: str, where: str = "", value: str = "") -> JobError:
        """A mistake in the file."""
        return JobError(self.source, [Problem(where, value, expected)])

    def ask(self, option: str, expected: str) -> JobError:
        """A question that an option answers."""
        return JobError(self.source, [Problem(option, "", expected)])

    def named(self, name: str, words: Counter[str]) -> set[str] | None:
        """The values of a column that ``--where`` names, in plain words; each must be there. None: none."""
        chosen = self.where.get(name)
        if chosen is None:
            return None
        wanted = {plain_word(one) for one in chosen}
        absent = wanted - {plain_word(word) for word in words}
        if absent:
            held = ", ".join(f"{word} {n:,}" for word, n in words.most_common(12))
            value = next(one for one in chosen if plain_word(one) in absent)
            raise JobError("--where", [Problem(name, f'"{value}"', f"values that the column holds: {held}")])
        return wanted

    def place(self, row: int) -> str:
        """Where a row stands: "line 3"."""
        return f"{self.table.place} {int(self.table.lines[row])}"

    def unreadable(self, name: str, read: Read, expected: str) -> None:
        """One line about the first cell that holds something else, where the row counts."""
        bad = read.unreadable & self.ledger.keep
        if bad.any():
            row = int(np.argmax(bad))
            cell = self.table.column(name)[row]
            more = int(np.count_nonzero(bad)) - 1
            tail = f" ({more:,} more such cells in the column {name})" if more else ""
            raise self.wrong(expected + tail, self.place(row), f'"{cell}"')

    def moments(self, role: str) -> Read:
        """The column's moments; a cell that is none is one line."""
        name = self.roles[role]
        cells = self.table.column(name)
        numbers = numbers_of(cells)
        known = numbers[np.isfinite(numbers)]
        said = self.options.unit or unit_in(name)
        dates = epoch_unit(known) is not None if said else are_moments(known)
        if len(known) and len(known) == np.count_nonzero(~missing(cells)) and not dates:
            unit = unit_s(said)
            if said is None and np.max(known) > 3e8:
                row = int(np.nanargmax(numbers))
                expected = f"Unix times of one unit in the column {name}, or their --unit"
                raise self.wrong(expected, self.place(row), f'"{cells[row]}"')
            return Read(numbers * unit, missing(cells), (self.unit_words(name),), "numbers")
        read = moments_of(cells, f"column {name}", self.options.time_zone, self.options.dates)
        self.unreadable(name, read, f"a date or a Unix time in the column {name}")
        return read

    def durations(self, role: str) -> Read:
        """The column's durations, plain numbers in the unit of the option, of the name, or in seconds."""
        name = self.roles[role]
        read = durations_of(self.table.column(name), unit_s(self.options.unit or unit_in(name)))
        self.unreadable(name, read, "a time, a number of at least 0")
        return read

    def unit_words(self, name: str) -> str:
        """In which unit the plain numbers of a column are."""
        if self.options.unit is not None:
            return f"numbers in {self.options.unit}"
        unit = unit_in(name)
        return (
            f"numbers in {unit}, by the name of the column"
            if unit
            else "numbers in s (the default; --unit says another)"
        )

    def window(self) -> float | None:
        """Length of the observation that the user gave [s]."""
        return window_option(self.options.window)

    def between(self) -> tuple[float | None, float | None]:
        """The dates between which was observed [s since 1970]."""
        return date_option("--since", self.options.since), date_option("--until", self.options.until)

    def base(self, kind: str, *roles: str, clock: str = "") -> LogReading:
        """A reading with everything but what the rows say."""
        named = tuple((role.replace("_", " "), self.roles[role]) for role in roles if role in self.roles)
        used = int(np.count_nonzero(self.ledger.keep))
        return LogReading(
            self.source,
            kind,
            np.zeros(0),
            np.zeros(0, dtype=bool),
            rows=len(self.table),
            used=used,
            place=self.table.place,
            dropped=tuple(self.ledger.dropped),
            form=self.table.form,
            columns=named,
            unused=tuple(name for name in self.table.columns if name not in {column for _, column in named}),
            clock=clock,
            notes=(*self.table.notes, *self.ledger.notes),
        )

    def duplicates(self) -> None:
        """Leave out rows that are the same as one before, cell by cell."""
        if len(self.table.columns) < 3:
            return  # two moments, or two durations, may well be the same
        first = self.table.frame.with_row_index("row").unique(subset=self.table.columns, keep="first")["row"]
        again = np.ones(len(self.table), dtype=bool)
        again[first.to_numpy()] = False
        self.ledger.drop(again, "the same row as one before")

    def size(self) -> tuple[JobSize | None, Any]:
        """How large the job is, by row, NaN where it is not known."""
        from cprmodel.logs.hosts import count_nodes

        if "nodes" not in self.roles:
            return None, None
        cells = self.cells("nodes").fill_null("")
        counts = {cell: count_nodes(cell) or 0 for cell in cells.unique().to_list()}
        sizes = mapped(cells, counts).astype(float)
        sizes[sizes == 0] = np.nan
        known = sizes[np.isfinite(sizes) & self.ledger.keep]
        if len(known) == 0:
            return None, None
        size = JobSize(int(np.median(known)), int(known.min()), int(known.max()), self.roles["nodes"])
        return size, sizes


def window_option(text: str | None) -> float | None:
    """Seconds of a length such as 45 d."""
    if text is None:
        return None
    try:
        return parse_quantity(text, "time")
    except QuantityError as error:
        raise JobError("--window", [Problem("", "", f'{error}, not "{text}"')]) from None


def date_option(option: str, text: str | None) -> float | None:
    """Seconds since 1970 of a date such as 2003, 2003-01 or 2003-01-01 12:00."""
    if text is None:
        return None
    for layout in ("%Y", "%Y-%m"):
        try:
            return datetime.strptime(text, layout).replace(tzinfo=UTC).timestamp()
        except ValueError:
            continue
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise JobError(option, [Problem("", "", f'a date such as 2003-01-01, not "{text}"')]) from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def natural(name: str) -> tuple[Any, ...]:
    """Numbers by their value: node 10 comes after node 9."""
    return tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.split(r"(\d+)", name))


def first_nodes(source: str, names: set[str], servers: int | None) -> set[str]:
    """The first so many nodes in the order of their names."""
    if servers is None:
        return names
    if not servers >= 1:
        raise JobError(source, [Problem("--servers", str(servers), "at least 1")])
    if servers > len(names):
        raise JobError(source, [Problem("--servers", str(servers), f"at most the {len(names)} that the log names")])
    return set(sorted(names, key=natural)[:servers])


def counted(cells: pl.Series, keep: Any) -> Counter[str]:
    """How often each word stands in the rows that are kept."""
    import polars as pl

    found = cells.filter(pl.Series(keep)).fill_null("").value_counts(sort=True)
    return Counter(dict(zip(found[:, 0].to_list(), found[:, 1].to_list(), strict=True)))


def mapped(cells: pl.Series, values: Mapping[str, int], default: int = 0) -> Any:
    """A number for each word."""
    import polars as pl

    numbers = cells.fill_null("").replace_strict(
        list(values), list(values.values()), default=default, return_dtype=pl.Int64
    )
    return numbers.to_numpy()
