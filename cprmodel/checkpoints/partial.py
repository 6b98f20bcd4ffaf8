"""Partial checkpoints: a base, and deltas of the rows that an order chose, with their optimizer state.

Each process writes its own files; process 0 makes them one checkpoint with a manifest. What is read back is the
newest checkpoint that is whole: by all processes together, or by one whose rows were lost while the others go on.
"""

from __future__ import annotations

import hashlib
import io
import math
import re
import secrets
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cprmodel.checkpoints.background import Saving, Taken, handed_out
from cprmodel.checkpoints.chosen import Chosen, chosen_rows
from cprmodel.checkpoints.contents import Manifest
from cprmodel.checkpoints.files import CorruptError, FileRef, read_checked, write_file, write_tensors
from cprmodel.checkpoints.folders import folder_at
from cprmodel.checkpoints.manifest import write_manifest
from cprmodel.checkpoints.reading import Loaded, apply, listed, none_whole, tell
from cprmodel.checkpoints.saving import Saved, SaveFailed, held_twice, highest, refuse, said
from cprmodel.checkpoints.tables import Table
from cprmodel.checkpoints.together import Processes
from cprmodel.checkpoints.writing import collect_garbage, content_of, cut_files, own_folder
from cprmodel.facts.errors import CprModelError, DomainError, JobError, Problem
from cprmodel.trackers import TRACKERS, Tracker

__all__ = ["PartialCheckpoints"]

_NUMBERED = re.compile(r"\.?\d{8}\..*").fullmatch


class PartialCheckpoints:
    """Writes the rows that are worth most, and reads base and deltas back.

    Parameters
    ----------
    folder : a path, or one of fsspec's URLs (``s3://…``); of one run alone, seen by all processes
    tables : the rows of this process: :func:`cprmodel.adaptors.embeddings.embedding_tables` finds those of a model
        and has them say what training updates (or call :meth:`Table.record <cprmodel.checkpoints.Table.record>`)
    fraction : how much of the rows one save takes, above 0; 1: all that have changed since their last save
    order : which first: ``"update-age"``, ``"mfu"``, ``"ssu"`` (which samples: rows may wait) or ``"scar"``
        (:mod:`cprmodel.trackers`), or a function that makes a tracker for a :class:`~cprmodel.checkpoints.Table`
    run : the name of the run; a checkpoint of another one is not read
    compact_after, compact_at : all rows are saved, as a new base, once so many deltas lie on the last one, or once
        they hold so many times its rows
    shard, shards : which process this is, of how many; left out: as ``torch.distributed`` has it

    Notes
    -----
    The first save is a base. Tables with rows of one size and trackers of one kind share what a save may take; else
    each has its own part. A save takes all processes: call :meth:`save`, which blocks, or :meth:`async_save` on
    each, between two steps. Many processes meet over gloo, on the CPU, whatever the backend.

    A checkpoint is complete when its manifest is there. It has each row as of its last save: with a ``fraction``
    below 1 rows are of different steps. What training has besides (``rest``: dense parameters, their optimizer,
    where the data is) is saved whole each time.

    Examples
    --------
    >>> import tempfile
    >>> bag = torch.nn.EmbeddingBag(1000, 16)
    >>> users = Table("users", bag.weight)
    >>> saves = PartialCheckpoints(tempfile.mkdtemp(), [users], fraction=0.25)
    >>> saves.load()  # there is none
    >>> saves.save(1).rows
    1000
    >>> users.record(torch.tensor([3, 4, 4]))
    >>> saves.save(2).rows
    2
    >>> saves.load().step
    2
    """

    def __init__(
        self,
        folder: str | Path,
        tables: Sequence[Table],
        fraction: float = 1.0,
        order: str | Callable[[Table], Tracker] = "update-age",
        *,
        run: str = "run",
        compact_after: int = 16,
        compact_at: float = 1.0,
        shard: int | None = None,
        shards: int | None = None,
    ) -> None:
        if not 0 < fraction <= 1:
            raise DomainError(f"PartialCheckpoints: fraction = {fraction!r}: expected a number above 0, at most 1")
        if not (compact_after >= 1 and compact_at > 0):
            raise DomainError("PartialCheckpoints: compact_after, compact_at: expected at least 1, and above 0")
        if isinstance(order, str) and order not in TRACKERS:
            raise DomainError(
                f"PartialCheckpoints: order = {order!r}: expected {', '.join(TRACKERS)}, or a function"
            )
        keys = [table.part.key for table in tables]
        if len(set(keys)) < len(keys):
            raise DomainError("PartialCheckpoints: tables: expected each by a name of its own")
        self.folder, self.tables, self.fraction, self.run = folder_at(folder), tuple(tables), fraction, run
        self.compact_after, self.compact_at = compact_after, compact_at
        self._processes = Processes(shard, shards)
        self.shard, self.shards = self._processes.shard, self._processes.shards
        for table in self.tables:
            table.tracker = self._tracker(order, table)
        self._number = 0  # of saves that took a fraction
        self._chain: tuple[FileRef, ...] = ()
        self._delta_rows = 0
        self._newest = self._next = -1  # the highest manifest, and the next number of a save
        self._void: frozenset[str] = frozenset()  # manifests of a past that did not happen
        self._met = self._checked = False
        self._untold = ""
        self._thread: ThreadPoolExecutor | None = None
        self._under_way: tuple[Taken, Saving] | None = None
        self._tag = hashlib.sha256(run.encode()).hexdigest()[:8]  # of the run's files
        self._mark = secrets.token_hex(4)  # of this process's: no other one writes over them

    def _tracker(self, order: str | Callable[[Table], Tracker], table: Table) -> Tracker:
        if not isinstance(order, str):
            return order(table)
        most = max(1, math.ceil(self.fraction * table.rows))
        values = table.weight if order == "scar" else range(table.rows)
        return TRACKERS[order](values, most, self.shard)

    def regroup(self) -> None:
        """The processes have formed a new group (one of them was replaced): meet in it from now on.

        A save that was under way when the other one was lost is waited for; it fails.
        """
        self._settle()
        self._met = False
        self._processes.regroup()

    # -- writing -------------------------------------------------------------------------------------------------

    def save(self, step: int, rest: Any = None) -> Saved:
        """Save the rows that are worth most, and ``rest`` whole (process 0's), as the state after ``step`` steps.

        ``rest`` is what ``torch.save`` writes and ``torch.load(weights_only=True)`` reads. SaveFailed, on every
        process, where some part could not be written: nothing is lost by it, and the next save may succeed.
        """
        self._settle()
        taken = self._taken(step, rest)
        saved = self._finished(taken)
        self._account(taken)
        for table, rows in zip(self.tables, taken.chosen.rows, strict=True):
            assert table.tracker is not None
            table.tracker.saved(np.arange(table.rows) if rows is None else rows)
        return saved

    def async_save(self, step: int, rest: Any = None, *, copy_base: bool = True) -> Saving:
        """As :meth:`save`, but for the writing, which a thread does while training goes on.

        Returns when the rows, their optimizer state and ``rest`` have been copied; an earlier save is waited for
        first. It is durable when its manifest is there, and until then the checkpoint before is the newest. Rows
        that are updated meanwhile belong to the next save. Where it fails, ``result()`` says why on every process
        (a CheckpointWarning, where nobody asks), and its rows have to be saved again.

        ``copy_base=False``: a base, which is a copy of all rows, is written before it returns.
        """
        called = time.perf_counter()
        self._settle()
        queued_s = time.perf_counter() - called
        taken = self._taken(step, rest)
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "saves")
        self._processes.prepare_behind()
        try:
            if taken.chosen.base and not copy_base:
                taken.refs = self._written(taken)
            else:
                taken.files = handed_out(taken.files)
            if taken.failed is None:
                taken.held = []
                for table, rows in zip(self.tables, taken.chosen.rows, strict=True):
                    tracker = table.tracker
                    assert tracker is not None
                    taken.held.append(None if rows is None else tracker.held(rows))
                    tracker.saved(np.arange(table.rows) if rows is None else rows)
        except Exception as error:  # the others must hear of it
            taken.failed = taken.failed or error
        blocked_s = time.perf_counter() - taken.begin
        future = self._thread.submit(self._finished, taken, behind=True)
        self._under_way = taken, Saving(future, blocked_s, queued_s)
        return self._under_way[1]

    def _settle(self) -> None:
        """Wait for a save in the background; where it failed, its rows have to be saved again."""
        if self._under_way is None:
            return
        taken, saving = self._under_way
        asked = saving.asked
        try:
            saving.result()
        except Exception as error:
            for table, rows, held in zip(self.tables, taken.chosen.rows, taken.held or (), strict=False):
                if rows is not None and table.tracker is not None:
                    table.tracker.unsaved(rows, held)
            if taken.chosen.base and taken.held is not None:
                self._chain = ()  # the next one has all rows again
            if not asked:
                tell([f"{self.folder}: the save of step {taken.step}: {error}"])
        else:
            self._account(taken)
        self._under_way = None

    def _taken(self, step: int, rest: Any) -> Taken:
        """What the next save takes; nothing is copied yet but the rest."""
        begin = time.perf_counter()
        self._meet()
        taken = Taken(self._next, step, begin)
        self._next += 1
        try:
            taken.content = self._content(rest)
            for table in self.tables:
                if table.before_save is not None:
                    table.before_save()
            taken.chosen = self._choose()
            taken.files = cut_files(self.tables, taken.chosen, partial(self._name, taken.sequence))
        except Exception as error:  # the others must hear of it, or wait for ever
            taken.failed = error
        return taken

    def _written(self, taken: Taken) -> tuple[FileRef, ...]:
        return tuple(write_tensors(self.folder, name, file) for name, file in taken.files)

    def _finished(self, taken: Taken, *, behind: bool = False) -> Saved:
        """Write it, and have all processes agree that it is complete: SaveFailed on all where it is not."""
        gather = self._processes.gather_behind if behind else self._processes.gather
        sequence, step, chosen = taken.sequence, taken.step, taken.chosen
        if taken.failed is None:
            try:
                taken.refs = (*taken.refs, *self._written(taken))
            except Exception as error:
                taken.failed = error
        taken.chain = taken.refs if chosen.base else (*self._chain, *taken.refs)
        taken.delta_rows = 0 if chosen.base else self._delta_rows + chosen.number
        parts = tuple(table.part for table in self.tables)
        failed = said(taken.failed, f"process {self.shard}")
        told = gather((failed, step, parts, taken.chain, taken.delta_rows))
        refuse((one[0] for one in told), taken.failed)
        if len({one[1] for one in told}) > 1:
            raise SaveFailed(f"save: step: expected the same on all processes, not {[one[1] for one in told]}")
        refuse([held_twice([one[2] for one in told])])
        refuse(gather(self._complete(sequence, step, taken.content, told) if self.shard == 0 else ""))
        size = sum(ref.size_bytes for ref in taken.refs)
        return Saved(sequence, step, chosen.base, chosen.number, size, time.perf_counter() - taken.begin)

    def _account(self, taken: Taken) -> None:
        """It is complete: the next one lies on it."""
        self._chain, self._delta_rows = taken.chain, taken.delta_rows
        self._number += not taken.chosen.base
        if self._untold:
            line, self._untold = self._untold, ""
            tell([line])

    def _choose(self) -> Chosen:
        """The rows of the next save."""
        rows = sum(table.rows for table in self.tables)
        deltas = sum(".delta-0." in ref.name for ref in self._chain)
        if self._chain and deltas < self.compact_after:
            found = chosen_rows(self.tables, self._number, self.fraction)
            if self._delta_rows + found.number <= self.compact_at * rows:
                return found
        for table in self.tables:
            table.heard()
        return Chosen(tuple(None for _ in self.tables), rows)

    def _name(self, sequence: int, kind: str, number: int) -> str:
        return f"{sequence:08d}.{self._tag}.shard-{self.shard}.{kind}-{number}.{self._mark}.safetensors"

    def _complete(self, sequence: int, step: int, content: bytes | None, told: list[Any]) -> str:
        """Process 0 writes the rest and the manifest, and removes what nobody needs. What went wrong, or ""."""
        try:
            newest = highest(self.folder.names())
            if newest > self._newest:
                return f"{self.folder}: somebody else has written {newest:08d}.json: expected this job alone in it"
            rest = None
            if content is not None:
                rest = write_file(self.folder, f"{sequence:08d}.{self._tag}.rest.{self._mark}.pt", content)
            _, _, parts, chains, rows = zip(*told, strict=True)
            self._newest = sequence  # even where writing it fails: it may be there
            write_manifest(self.folder, Manifest(sequence, step, self.run, rest, parts, chains, rows))
        except Exception as error:  # the others must hear of it
            return said(error, "process 0")
        try:
            collect_garbage(self.folder, self.run, self._tag, self._void)
        except Exception as error:
            self._untold = said(error, f"{self.folder}: old checkpoints cannot be removed")
        return ""

    def _content(self, rest: Any) -> bytes | None:
        if rest is None or self.shard != 0:
            return None
        found = content_of(rest, check=not self._checked)
        self._checked = True
        return found

    # -- reading -------------------------------------------------------------------------------------------------

    def load(self) -> Loaded | None:
        """Return all processes' rows to the newest checkpoint that is whole; None where there is none at all.

        Damage is told as a CheckpointWarning, a line for each file, and an older checkpoint is taken. NothingWhole
        where no checkpoint is whole, JobError where the tables are others; rows are of no use after either.
        """
        self._settle()
        told: list[str] = []
        found: list[Manifest] = []
        failed: Exception | None = None
        names: list[str] = []
        if self.shard == 0:
            try:
                names = self.folder.names()
                found = listed(self.folder, self.run, told)
            except (OSError, CprModelError) as error:
                failed = error
        problem, found, told, top = self._processes.gather(
            (said(failed, "process 0"), found, told, highest(names))
        )[0]
        if problem:
            raise failed or JobError("checkpoints", [Problem("", "", f"a folder that can be read: {problem}")])
        for manifest in found:
            damage, rest = "", None
            failed = None
            try:
                apply(self.folder, manifest, self.tables)
                for table in self.tables:
                    table.loaded()
                if manifest.rest is not None:
                    content = io.BytesIO(read_checked(self.folder, manifest.rest))
                    rest = torch.load(content, weights_only=True, map_location="cpu")
            except CorruptError as error:
                damage = f"{self.folder}: {error}"
            except Exception as error:
                failed = error
            answers = self._processes.gather((damage, said(failed, f"process {self.shard}")))
            wrong = [text for _, text in answers if text]
            if wrong:
                raise failed or JobError("checkpoints", [Problem(manifest.name, "", f"this run's: {wrong[0]}")])
            problems = sorted({text for text, _ in answers if text})
            if not problems:
                self._back_to(manifest, top)
                self._void = frozenset(one.name for one in found if one.sequence > manifest.sequence)
                return Loaded(manifest.sequence, manifest.step, rest, tell(told))
            told += problems
        if told:
            raise none_whole(told, self.run)
        return None

    def load_shard(self) -> Loaded | None:
        """Return this process's rows alone to the newest checkpoint whose files of them are whole.

        For a process that takes the place of one that was lost, while the others go on as they are. It talks to
        nobody, and reads no ``rest``. Else as :meth:`load`; the others call :meth:`regroup` before the next save.
        """
        self._settle()
        told: list[str] = []
        top = highest(self.folder.names())
        for manifest in listed(self.folder, self.run, told):
            try:
                apply(self.folder, manifest, self.tables)
            except CorruptError as error:
                told.append(f"{self.folder}: {error}")
                continue
            for table in self.tables:
                table.loaded()
            self._back_to(manifest, top)
            return Loaded(manifest.sequence, manifest.step, None, tell(told))
        if told:
            raise none_whole(told, self.run)
        return None

    def _back_to(self, manifest: Manifest, top: int) -> None:
        """Go on from a checkpoint: the next delta lies on its chain, where these are the same rows."""
        parts = tuple(table.part for table in self.tables)
        same = len(manifest.parts) == self.shards and manifest.parts[self.shard] == parts
        self._chain = manifest.chains[self.shard] if same else ()  # else the next save is a base
        self._delta_rows = manifest.delta_rows[self.shard] if same else 0
        self._newest, self._met = max(self._newest, top), False

    # -- together ------------------------------------------------------------------------------------------------

    def _meet(self) -> None:
        """Agree on the number of the next save: once, and after each recovery."""
        if self._met:
            return
        names: list[str] = []
        failed: Exception | None = None
        try:
            names = self.folder.names()
            if self.shard == 0 and self._newest < 0:
                own_folder(self.folder, self.run)
        except (OSError, CprModelError) as error:
            failed = error
        numbers = [int(name.lstrip(".")[:8]) for name in names if _NUMBERED(name)]
        answers = self._processes.gather(
            (said(failed, f"process {self.shard}"), max(numbers, default=-1), highest(names))
        )
        refuse((problem for problem, _, _ in answers), failed)
        self._next = max(self._next, 1 + max(number for _, number, _ in answers))
        if self._newest < 0:
            self._newest = max(top for _, _, top in answers)
        self._met = True
