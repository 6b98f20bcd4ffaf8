"""A table of embeddings as a checkpoint sees it: its rows and their optimizer state, live, in this process."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch

from cprmodel.facts.errors import DomainError, JobError, Problem
from cprmodel.trackers import Tracker

__all__ = ["HELD_IDS", "Part", "Table"]

#: Ids that a GPU may hold back until they are fetched from it, a table.
HELD_IDS = 1 << 20


@dataclass(frozen=True)
class Part:
    """Which rows and columns of a table a process holds, or a checkpoint has of it."""

    name: str
    first_row: int
    rows: int
    of_rows: int
    first_column: int
    columns: int
    of_columns: int

    @property
    def key(self) -> str:
        """What it is called in files."""
        whole = self.rows == self.of_rows and self.columns == self.of_columns
        return self.name if whole else f"{self.name}[{self.first_row},{self.first_column}]"

    def overlaps(self, other: Part) -> bool:
        """Whether both have rows in common."""
        return (
            self.name == other.name
            and self.first_row < other.first_row + other.rows
            and other.first_row < self.first_row + self.rows
            and self.first_column < other.first_column + other.columns
            and other.first_column < self.first_column + self.columns
        )

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass
class Table:
    """A table's rows that this process holds.

    Parameters
    ----------
    name : of the table; the same in all processes
    weight : its rows here, [rows, columns], as training writes them; any type and device
    state : its optimizer's state, as training writes it (``optimizer.state[weight]``). Tensors with the rows along
        their first axis are saved with the rows, others (a count of steps) with each save
    first_row, first_column, shape : where the rows lie in the whole table, and its shape; left out: all are here
    before_save, after_load : called before the tensors are read, and after they were written (a cache)

    Examples
    --------
    >>> bag = torch.nn.EmbeddingBag(1000, 16)
    >>> Table("users", bag.weight).part.key
    'users'
    """

    name: str
    weight: torch.Tensor
    state: MutableMapping[str, Any] = field(default_factory=dict)
    first_row: int = 0
    first_column: int = 0
    shape: Sequence[int] | None = None
    before_save: Callable[[], Any] | None = None
    after_load: Callable[[], Any] | None = None
    tracker: Tracker | None = None

    def __post_init__(self) -> None:
        if self.weight.ndim != 2 or not self.name or "|" in self.name:
            shape = tuple(self.weight.shape)
            raise DomainError(f"Table {self.name!r}: expected a name without |, and rows of two axes, not {shape}")
        self._held: list[torch.Tensor] = []
        self._made: set[str] = set()  # optimizer state that was not there before a checkpoint was read
        self._read: set[str] = set()

    @property
    def part(self) -> Part:
        """What of the table is here."""
        rows, columns = self.weight.shape
        of_rows, of_columns = self.shape or (rows, columns)
        return Part(self.name, self.first_row, rows, of_rows, self.first_column, columns, of_columns)

    @property
    def rows(self) -> int:
        """How many there are here."""
        return int(self.weight.shape[0])

    @property
    def row_bytes(self) -> int:
        """Of a row and its optimizer state [B]."""
        return sum(array[:1].nbytes for array in self.arrays().values())

    def arrays(self) -> dict[str, torch.Tensor]:
        """What each row has, by name."""
        rows = {
            name: value.detach()
            for name, value in self.state.items()
            if isinstance(value, torch.Tensor) and value.ndim and value.shape[0] == self.rows
        }
        return {"weight": self.weight.detach(), **rows}

    # -- what training says --------------------------------------------------------------------------------------

    def record(self, rows: torch.Tensor) -> None:
        """A batch updates these rows, numbered as they lie here. Ids on a GPU are fetched when many have come."""
        if self.tracker is None:
            return
        rows = rows.detach().flatten()
        if rows.device.type == "cpu":
            self.tracker.record(rows)
            return
        self._held.append(rows)
        if sum(one.numel() for one in self._held) >= HELD_IDS:
            self.heard()

    def heard(self) -> None:
        """Count the ids that were held back."""
        held, self._held = self._held, []
        if held and self.tracker is not None:
            self.tracker.record(torch.cat(held))

    # -- what a file has of it -----------------------------------------------------------------------------------

    def cut(self, rows: slice | torch.Tensor) -> dict[str, torch.Tensor]:
        """Copies of rows in this machine's memory, by the names that they have in a file."""
        key = self.part.key
        if isinstance(rows, slice):
            found = {f"{key}|first": torch.tensor([rows.start], dtype=torch.int64)}
        else:
            found = {f"{key}|ids": rows.to(torch.int32 if self.rows < 2**31 else torch.int64)}
            rows = rows.to(self.weight.device)
        for name, array in self.arrays().items():
            found[f"{key}|.{name}"] = array[rows].to("cpu", copy=isinstance(rows, slice)).contiguous()
        return found

    def whole(self) -> dict[str, torch.Tensor]:
        """What the optimizer has for the table as a whole, by the names that it has in a file."""
        key, found = self.part.key, {}
        rows = self.arrays()
        for name, value in self.state.items():
            if isinstance(value, torch.Tensor) and name not in rows:
                found[f"{key}|={name}"] = value.detach().clone().cpu().contiguous()
            elif isinstance(value, int | float) and not isinstance(value, bool):
                found[f"{key}|#{name}"] = torch.tensor(
                    value, dtype=torch.int64 if isinstance(value, int) else torch.float64
                )
        return found

    def begin(self) -> None:
        """Rows are about to be read back: what an earlier try has read is forgotten."""
        for name in self._made:
            self.state.pop(name, None)
        self._made, self._read = set(), set()
        for name, array in self.arrays().items():
            if name != "weight":
                array.zero_()  # where the optimizer made it after the base was saved, the deltas alone have it

    def put(self, part: Part, file: dict[str, torch.Tensor]) -> int:
        """Write what a file has of a part of the table; how many rows of this one it had as a range.

        JobError where the checkpoint's rows are not of this table's shape and type.
        """
        key, own = part.key, self.part
        if (part.first_column, part.columns) != (own.first_column, own.columns):
            has, wants = (f"{one.first_column} to {one.first_column + one.columns - 1}" for one in (part, own))
            raise self._other("columns", wants, has)
        found = {name.partition("|.")[2]: value for name, value in file.items() if name.startswith(f"{key}|.")}
        arrays = {name: found[name] for name in sorted(found, key=lambda name: (name != "weight", name))}
        ranged = 0
        moved = part.first_row - own.first_row
        if arrays and f"{key}|first" in file:
            begin = int(file[f"{key}|first"]) + moved
            low, high = max(begin, 0), min(begin + len(arrays["weight"]), own.rows)
            ranged = max(0, high - low)
            for name, value in arrays.items():
                into = self._like(name, value)
                if ranged:
                    into[low:high].copy_(value[low - begin : high - begin])
        elif arrays:
            ids = file[f"{key}|ids"].to(torch.int64) + moved
            here = (ids >= 0) & (ids < own.rows)
            ids = ids[here].to(self.weight.device)
            for name, value in arrays.items():
                self._like(name, value)[ids] = value[here].to(self.weight.device)
        for name, value in file.items():
            for kind in ("=", "#"):
                if name.startswith(f"{key}|{kind}"):
                    self._put_whole(name.partition(f"|{kind}")[2], value if kind == "=" else value.item())
        return ranged

    def loaded(self) -> None:
        """All rows have been read back: they have nothing to lose."""
        for name in self.arrays().keys() - self._read:
            raise self._other(name, "the optimizer that it was saved with", f"no {name} of the rows")
        if self.after_load is not None:
            self.after_load()
        self._held = []
        if self.tracker is not None:
            self.tracker.restored(np.arange(self.rows))

    def _like(self, name: str, value: torch.Tensor) -> torch.Tensor:
        self._read.add(name)
        found = self.arrays().get(name)
        if found is None:  # an optimizer makes it at its first step
            shape = (self.rows, *value.shape[1:])
            self._made.add(name)
            found = self.state[name] = torch.zeros(shape, dtype=value.dtype, device=self.weight.device)
        if found.shape[1:] != value.shape[1:] or found.dtype != value.dtype:
            has, wants = (f"{tuple(one.shape[1:])} of {one.dtype}" for one in (value, found))
            raise self._other(name, f"rows of {wants}", has)
        return found

    def _other(self, what: str, expected: str, has: str) -> JobError:
        return JobError(f"table {self.name}", [Problem(what, "", f"{expected}; the checkpoint has {has}")])

    def _put_whole(self, name: str, value: Any) -> None:
        own = self.state.get(name)
        if isinstance(own, torch.Tensor) and isinstance(value, torch.Tensor) and own.shape == value.shape:
            own.detach().copy_(value)
        else:
            if own is None:
                self._made.add(name)
            self.state[name] = value
