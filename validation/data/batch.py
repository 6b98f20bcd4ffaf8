"""What a data source gives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from cprmodel.facts.errors import CprModelError

__all__ = ["Batch", "Cursor", "DataError", "Source"]

#: Where in the data training stands; plain JSON, kept with every checkpoint.
Cursor = dict[str, Any]


class DataError(CprModelError):
    """The data cannot be used; one line says why."""


@dataclass(frozen=True)
class Batch:
    """B samples. Bags go sample by sample, table by table; ids count all tables' rows in one row of numbers."""

    dense: Any  # float32 [B, features]
    ids: Any  # int64 [all ids], flat rows
    offsets: Any  # int64 [B · tables], where each bag begins
    labels: Any  # float32 [B]

    def __len__(self) -> int:
        return len(self.labels)


class Source(Protocol):
    """A stream of training batches and a set of test batches."""

    @property
    def num_embeddings(self) -> tuple[int, ...]: ...

    @property
    def dense_features(self) -> int: ...

    def train(self, cursor: Cursor | None) -> Iterator[tuple[Batch, Cursor]]:
        """Batches from a cursor on (None: the first), each with the cursor after it; may end."""

    def test(self) -> Iterator[Batch]: ...

    def remarks(self) -> list[str]:
        """What a person should know of the data read so far, such as lines that were skipped."""
