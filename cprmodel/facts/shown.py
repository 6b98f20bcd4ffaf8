"""What every answer can do beside holding numbers: a table in a notebook, a data frame, charts to restyle.

Tables and charts are made by the room that makes pages (see :mod:`cprmodel.facts.drawing`); it is loaded when it is
first asked for.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from cprmodel.facts.drawing import drawer_of
from cprmodel.facts.extras import ExtraMissing

if TYPE_CHECKING:
    import altair as alt

__all__ = ["FRAMES", "Shown", "columns_of"]

#: Libraries of data frames, in the order in which they are taken.
FRAMES = ("polars", "pandas", "pyarrow")


class Shown:
    """An answer that a notebook shows as a table, and that gives frames and charts of itself."""

    #: Which drawer draws it.
    kind: ClassVar[str]

    def frame_columns(self) -> Mapping[str, Any]:
        """The columns of its data frame, of equal length."""
        raise NotImplementedError

    def to_frame(self, backend: str | None = None) -> Any:
        """A data frame of it.

        Parameters
        ----------
        backend : ``"polars"``, ``"pandas"``, ``"pyarrow"``, or another that narwhals makes frames of; by default
            the first of the three that is in use, else that is installed

        Raises
        ------
        ExtraMissing
            where none is installed.

        Examples
        --------
        >>> from cprmodel import load_preset, plan
        >>> frame = plan(load_preset("cpr-dlrm")).to_frame("polars")
        >>> frame["name"].to_list()
        ['full', 'partial-at-full-interval', 'partial']
        """
        import narwhals as nw

        name = backend or _frames()
        columns = {key: _plain(values) for key, values in self.frame_columns().items()}
        return nw.from_dict(columns, backend=name).to_native()  # type: ignore[arg-type]

    def charts(self) -> dict[str, alt.Chart | alt.LayerChart]:
        """Every chart that its page has, by name: Altair charts without a style of their own, to restyle."""
        return dict(drawer_of(self.kind).charts(self))

    def _chart(self, name: str, **asked: Any) -> Any:
        return drawer_of(self.kind).charts(self, **asked)[name]

    def save_report(self, path: str | Path) -> None:
        """Write one self-contained page with charts and their data; it appears whole or not at all."""
        drawer_of(self.kind).write(self, path)

    def _repr_html_(self) -> str:
        return drawer_of(self.kind).html(self)


def columns_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Rows that have the same keys, as columns; none of no rows.

    >>> columns_of([{"order": "mfu", "lost": 0.1}, {"order": "ssu", "lost": 0.2}])
    {'order': ['mfu', 'ssu'], 'lost': [0.1, 0.2]}
    """
    return {name: [row[name] for row in rows] for name in rows[0]} if rows else {}


def _plain(values: Any) -> Any:
    """A column that every library takes: an array of numbers, or a list."""
    numbers = getattr(getattr(values, "dtype", None), "kind", "O") in "biuf"
    return values if numbers else list(values)


def _frames() -> str:
    """The library to make frames with."""
    used = [name for name in FRAMES if name in sys.modules]
    there = [name for name in FRAMES if importlib.util.find_spec(name) is not None]
    for name in (*used, *there):
        return name
    raise ExtraMissing("polars", "a data frame")
