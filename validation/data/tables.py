"""How many rows the tables of a case have."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from validation.case import Case

__all__ = ["CRITEO_KAGGLE", "num_embeddings_of", "reduced"]

#: Distinct values of C1..C26 in the Criteo Kaggle set, as DLRM's reference preprocessing counts them [second-hand].
CRITEO_KAGGLE = (
    1460, 583, 10131227, 2202608, 305, 24, 12517, 633, 3, 93145, 5683, 8351593, 3194,
    27, 14992, 5461306, 10, 5652, 2173, 4, 7046547, 18, 15, 286181, 105, 142572,
)  # fmt: skip


def reduced(largest: int, sizes: Sequence[int] = CRITEO_KAGGLE) -> tuple[int, ...]:
    """The shape of the Criteo Kaggle tables, none with more rows than ``largest``.

    >>> len(reduced(1000)), max(reduced(1000))
    (26, 1000)
    """
    return tuple(min(size, largest) for size in sizes)


def num_embeddings_of(case: Case) -> tuple[int, ...]:
    """Rows of each table: those of the data (MovieLens), those that the case lists, or Criteo's 26, capped."""
    if case.data.source == "movielens":
        from validation.data.movielens import MovieLens

        return MovieLens(Path(case.data.path[0]), case.data.batch_size).num_embeddings
    return case.model.num_embeddings or reduced(case.model.largest_table)
