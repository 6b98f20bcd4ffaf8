"""Plans by the million: :func:`plan_many`, and the chunks that a sweep writes as they come."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from cprmodel.bulk.blocking import BlockingRows
from cprmodel.bulk.chunk import Chunk, Coded
from cprmodel.bulk.derived import fields_of, is_plain
from cprmodel.bulk.grid import Box, Grid, grid_of
from cprmodel.bulk.keys import Key
from cprmodel.bulk.rows import changed_job, planned_rows
from cprmodel.costing import CostModel, Exact, FirstOrder, model_for
from cprmodel.facts.errors import JobError, Problem
from cprmodel.facts.journal import note
from cprmodel.facts.parts import Part
from cprmodel.facts.shown import Shown
from cprmodel.facts.units import format_share
from cprmodel.jobs import Job
from cprmodel.planning.ranking import MINIMISED

if TYPE_CHECKING:
    import altair as alt

__all__ = ["PlannedMany", "Sweep", "plan_many"]

#: Rows that are computed together: enough that what is done once for them does not count.
BOX = 2**17
#: The exact model looks at some twenty intervals for each.
_EXACT_BOX = 2**13
#: Rows that a task plans one by one.
TASK = 256
#: Values of a key, and settings of the others, that are looked at for whether it changes anything.
_LOOKED_AT = 5
#: Tasks that are handed out together: what comes back is written before more is asked for.
WAVE = 64


@dataclass(frozen=True)
class PlannedMany(Shown):
    """What :func:`~cprmodel.plan_many` returns: columns of equal length, a row for each combination.

    ``columns`` is a dictionary that a DataFrame takes as it is (``pandas.DataFrame(found.columns)``).
    """

    kind: ClassVar[str] = "many"

    columns: Mapping[str, np.ndarray] = field(repr=False)
    shape: tuple[int, ...]  #: lengths of the axes: ``found["interval_s"].reshape(found.shape)``
    model: str
    minimised: str
    keys: tuple[Key, ...] = field(repr=False, default=())  #: what varies

    def __str__(self) -> str:
        """One line: how many plans, and between which overheads."""
        found = self["overhead_fraction"][self["feasible"]]
        if not len(found):
            return f"{len(self):,} plans ({self.model}), none of which is feasible"
        least, most = format_share(float(found.min())), format_share(float(found.max()))
        varied = " x ".join(key.name for key in self.keys)
        return f"{len(self):,} plans over {varied} ({self.model}): overhead {least} to {most}"

    def frame_columns(self) -> Mapping[str, np.ndarray]:
        """The columns as they are."""
        return self.columns

    def overhead_chart(self, key: str | None = None) -> alt.LayerChart:
        """Overhead along a key (the first by default), others at the middle of their values; to restyle."""
        name = next(iter(self.keys)).name if key is None else key
        drawn: alt.LayerChart = self._chart(f"against-{name.replace('.', '-').replace('_', '-')}")
        return drawn

    def map_chart(self, of: str = "overhead") -> alt.Chart:
        """The ``"overhead"`` or the recommended ``"strategy"`` over the first two keys; to restyle."""
        drawn: alt.Chart = self._chart(f"map-{of}")
        return drawn

    def __len__(self) -> int:
        return int(np.prod(self.shape))

    def __getitem__(self, name: str) -> np.ndarray:
        """A column by its name.

        >>> from cprmodel import load_preset, plan_many
        >>> plan_many(load_preset("cpr-dlrm"), {"cluster.embedding_shards": [4, 8]})["recommended"]
        array(['partial', 'partial'], dtype=object)
        """
        return self.columns[name]

    def pareto(self, cost: str = "overhead_fraction", loss: str = "expected_pls") -> np.ndarray:
        """Numbers of the feasible rows that no other row beats in both columns, by growing ``cost``."""
        from cprmodel.bulk.front import not_beaten

        return not_beaten(self.columns[cost], self.columns[loss])


class Sweep:
    """A job, a grid and a model, checked; rows come in chunks, in order, and are forgotten.

    >>> from cprmodel import load_preset
    >>> job = load_preset("cpr-dlrm")
    >>> sweep = Sweep(job, grid_of(job, {"cluster.embedding_shards": [4, 8, 16]}))
    >>> [len(chunk) for chunk in sweep.chunks()]
    [3]
    """

    def __init__(
        self,
        job: Job,
        grid: Grid,
        model: CostModel | None = None,
        minimise: str = "overhead",
        source: str = "vary",
    ) -> None:
        if not isinstance(job, Job):
            raise TypeError(f"plan_many: job = {job!r}: expected a cprmodel.Job")
        if model is not None and (isinstance(model, type) or not hasattr(model, "partial_interval")):
            raise TypeError(f"plan_many: model = {model!r}: expected a cost model, such as cprmodel.Exact()")
        if minimise not in MINIMISED:
            raise ValueError(f"plan_many: minimise = {minimise!r}: expected one of {', '.join(MINIMISED)}")
        if minimise == "dollars" and job.cost is None:
            raise JobError("job", [Problem("cost", "", "a table of prices, for a plan that minimises dollars")])
        self.job, self.grid, self.model, self.minimise = job, grid, model, minimise
        self.model_name = model_for(job, model).name
        self.data = job.model_dump(exclude_none=True)
        self._check_new_keys(source)
        paths = tuple(key.path for key in grid.keys)
        #: Whether whole boxes go through the formulas at once.
        exact = type(model) is Exact
        self.vectorised = (model is None or exact or type(model) is FirstOrder) and is_plain(job, paths)
        self._fast = BlockingRows(job, fields_of(job), minimise, exact) if self.vectorised else None
        self._most = (_EXACT_BOX if exact else BOX) if self.vectorised else TASK

    def _check_new_keys(self, source: str) -> None:
        """Keys that the job file does not give must go together with those that it does, for some values."""
        new = [key for key in self.grid.keys if not _is_in(self.data, key)]
        if not new:
            return
        errors = []
        length = max(len(self.grid.values(key)) for key in new)
        for at in np.unique(np.linspace(0, length - 1, 9).astype(int)):
            values = {key: self.grid.values(key)[min(at, len(self.grid.values(key)) - 1)] for key in new}
            try:
                changed_job(self.data, values)
            except JobError as found:
                errors.append((values, found))
            else:
                return
        values, error = errors[0]
        shown = " and ".join(f"{key.name} = {value:.10g}" for key, value in values.items())
        raise JobError(f"{source} {shown}", list(error.problems))

    def keys_without_effect(self) -> tuple[Key, ...]:
        """Keys that change nothing in any of the plans that are looked at: a few values of each, among others'.

        >>> from cprmodel import load_preset
        >>> job = load_preset("cpr-dlrm")
        >>> values = {"checkpoint.retained": [2, 3], "checkpoint.save": ["1 min", "2 min"]}
        >>> [key.name for key in Sweep(job, grid_of(job, values)).keys_without_effect()]
        ['checkpoint.retained']
        """
        axes = [axis for axis in self.grid.axes if len(axis) == 1]
        return tuple(key for axis in axes for key in axis if self._is_idle(key))

    def _is_idle(self, key: Key) -> bool:
        random = np.random.default_rng(0)
        values = np.unique(self.grid.values(key)[_spread(len(self.grid.values(key)), _LOOKED_AT)])
        if len(values) < 2:
            return False
        for _ in range(_LOOKED_AT):
            axes = []
            for axis in self.grid.axes:
                at = int(random.integers(len(next(iter(axis.values())))))
                axes.append({one: values if one == key else array[at : at + 1] for one, array in axis.items()})
            (box,) = Grid(tuple(axes)).boxes(BOX)
            columns = self._chunk(box).columns
            if any(
                _varies(column) for name, column in columns.items() if not name.startswith(("current_", key.name))
            ):
                return False
        return True

    def chunks(self, workers: int | None = -1, part: Part | None = None) -> Iterator[Chunk]:
        """All rows in order, or those of one part. ``workers`` as for :func:`~cprmodel.plan_many`."""
        most = self._most
        if part is not None:
            most = max(1, min(most, self.grid.size // part.of))
        boxes = self._boxes(most, part)
        if workers == 1 or (self.vectorised and workers is not None):
            yield from (self._chunk(box) for box in boxes)
            return
        from joblib import Parallel, delayed

        if self.vectorised:
            boxes = self._boxes(most if part is not None else 8 * most, part)  # worth sending
        while wave := list(islice(boxes, WAVE)):
            yield from Parallel(n_jobs=workers, return_as="generator")(delayed(self._chunk)(box) for box in wave)

    def _boxes(self, most: int, part: Part | None) -> Iterator[Box]:
        boxes = self.grid.boxes(most)
        return boxes if part is None else (box for box in boxes if part.holds(box.first, self.grid.size))

    def _chunk(self, box: Box) -> Chunk:
        if self._fast is not None:
            return self._fast.chunk(box)
        return planned_rows(self.data, box.columns(), self.model, self.minimise, box.first)


def _spread(length: int, most: int) -> np.ndarray:
    return np.unique(np.linspace(0, length - 1, most).astype(int))


def _varies(column: Any) -> bool:
    if isinstance(column, Coded):
        return len(np.unique(column.codes)) > 1
    return len(np.unique(column, equal_nan=True)) > 1


def _is_in(data: Any, key: Key) -> bool:
    for part in key.path:
        if isinstance(data, (list, tuple)):
            data = data[int(part)]
        elif part in data:
            data = data[part]
        else:
            return False
    return True


def plan_many(
    job: Job,
    vary: Mapping[str, Any],
    model: CostModel | None = None,
    *,
    zipped: bool = False,
    minimise: str = "overhead",
    workers: int | None = -1,
    progress: Callable[[int], None] | None = None,
) -> PlannedMany:
    """Plan a job for every combination of some of its numbers: what-if questions by the million.

    Parameters
    ----------
    job : the job whose numbers vary
    vary : key of the job file ("cluster.embedding_shards", "checkpoint.bandwidth") → one-dimensional array of
        values in SI units, or of text with units; whole numbers for keys that count
    model : :class:`~cprmodel.FirstOrder`, :class:`~cprmodel.Exact`, :class:`~cprmodel.SteadyState`; by default the
        one that :func:`~cprmodel.plan` takes, row by row
    zipped : take the arrays side by side, one row for each position, instead of their outer product
    minimise : ``"overhead"`` or ``"dollars"``, as for :func:`~cprmodel.plan`
    workers : cores to use through joblib, -1 for all; None leaves it to ``joblib.parallel_config`` (a Dask cluster,
        say); 1 stays in this process
    progress : called with the number of rows done, again and again

    Returns
    -------
    A frozen :class:`~cprmodel.bulk.PlannedMany`. Its columns: the varied keys (SI units), ``recommended`` and
    ``recovery``, ``interval_s``, ``overhead_fraction`` and its parts, ``effective_time_ratio``, ``expected_pls``,
    ``expected_metric_drop`` (NaN without a slope), ``time_to_train_s``, the overhead and PLS of what is done today
    (``current_…``, where the job says or the sweep varies it), space and writes where the size of a
    checkpoint is known, dollars where there are prices, ``within_validity`` (every formula used within its range),
    ``feasible`` and ``reason``. A row that cannot be planned is not feasible, says why, and has NaN for numbers.

    Raises
    ------
    JobError
        for a key that no job has, or a value that the key cannot have: the key and the first such value are named.

    Notes
    -----
    First-order and exact plans of a job without ``[access]`` or other storage go through the formulas as arrays,
    steady-state plans many at once where the numbers of saves to each level are given; others row by row through
    the code of ``plan``. With ``[scaling]``, ``failures.nodes`` moves the job there.

    Examples
    --------
    >>> from cprmodel import load_preset, plan_many
    >>> found = plan_many(load_preset("cpr-dlrm"), {
    ...     "cluster.embedding_shards": [4, 8, 16],
    ...     "checkpoint.save": ["1 min", "4 min"],
    ... })
    >>> len(found), found.shape
    (6, (3, 2))
    >>> found["overhead_fraction"].reshape(found.shape)[:, 1].round(4)
    array([0.0159, 0.0142, 0.0138])
    """
    if not isinstance(job, Job):
        raise TypeError(f"plan_many: job = {job!r}: expected a cprmodel.Job")
    grid = grid_of(job, vary, zipped)
    sweep = Sweep(job, grid, model, minimise)
    columns: dict[str, np.ndarray] = {}
    for chunk in sweep.chunks(workers):
        last = chunk.first + len(chunk)
        for name, part in chunk.columns.items():
            values = part.text() if isinstance(part, Coded) else part
            if name not in columns:
                columns[name] = np.empty(grid.size, dtype=values.dtype)
            columns[name][chunk.first : last] = values
        if progress is not None:
            progress(len(chunk))
    for column in columns.values():
        column.setflags(write=False)
    note("bulk", "%d plans by the %s model", grid.size, sweep.model_name)
    return PlannedMany(columns, grid.lengths, sweep.model_name, minimise, tuple(grid.keys))
