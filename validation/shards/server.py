"""A shard server: one process that holds rows, and does what the trainer asks, one message at a time.

Started by a launcher as ``python -m validation.shards CONFIG.json`` with the run's key on its standard input.
It starts empty; the trainer lets it draw its first rows, or load a checkpoint. It outlives trainers, never its
parent.

Updates are idempotent: one whose step was applied already, or whose generation is not the current one, changes
nothing and is answered so.
"""

from __future__ import annotations

import hashlib
import os
import time
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

import numpy as np

from cprmodel.checkpoints.files import CorruptError, FileRef, read_arrays, write_arrays
from cprmodel.checkpoints.folders import folder_at
from validation.checkpoint.writing import Writing, seconds_of
from validation.claim import Claim
from validation.events import told_in
from validation.processes.memory import one_line_without_memory
from validation.processes.parent import told_in_secret, watch_parent
from validation.shards.layout import layout_of
from validation.shards.meeting import Door, Meeting
from validation.shards.priority import Priority
from validation.shards.rows import NumpyRows, Rows, initial_rows
from validation.shards.wire import PeerGone, PeerHung, receive, send

__all__ = ["Server", "ServerConfig", "main"]

#: A base is written anew once the deltas since it hold this many times its rows.
COMPACT_AT = 1.0


@dataclass(frozen=True)
class ServerConfig:
    """What a shard is told when it starts."""

    shard: int
    incarnation: int
    num_embeddings: tuple[int, ...]
    shards: int
    placement: str
    dim: int
    optimizer: str
    lr: float
    seed: int
    device: str
    folder: str
    compact_after: int
    claim: Claim
    doors: str
    order: str | None = None  # None: every save takes all that changed
    fraction: float = 1.0
    bandwidth_bytes_per_s: float | None = None  # of the storage; None: whatever it has

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> ServerConfig:
        known = {"num_embeddings": tuple(data["num_embeddings"]), "claim": Claim(**data["claim"])}
        return cls(**{**data, **known})


@dataclass
class _Begun:
    """A save that is not complete."""

    sequence: int
    base: bool
    whole: bool  # of all rows, as they are
    rows: int
    writing: Writing | None = None
    chain: list[FileRef] | None = None  # that it leaves, once it is written


class Server:
    """The state of a shard and its answers."""

    def __init__(self, config: ServerConfig) -> None:
        self.config = config
        self.layout = layout_of(config.placement, config.num_embeddings, config.shards)
        self.folder = folder_at(config.folder)
        self.count = self.layout.rows_of(config.shard)
        self.rows: Rows | None = None  # None: empty
        self.settled = False  # whether the trainer has written down what was loaded
        self.step = 0  # the last step whose update is applied
        self.generation = 0
        self.chain: list[FileRef] = []
        self.delta_rows = 0
        self.checkpoint: int | None = None  # the last complete save (or the one that was loaded): its number
        self.dirty = np.zeros(self.count, dtype=bool)  # changed since the last save
        self.saved = np.zeros(self.count, dtype=bool)  # changed before it, in a save that is not yet complete
        self.begun: _Begun | None = None  # ... and what that is
        self.priority: Priority | None = None  # where some rows are saved before others

    def warm_up(self) -> None:
        """A GPU's context and kernels belong to the start, which has a deadline of its own, not to an answer."""
        if self.config.device != "cpu":
            rows = self._new_rows(np.zeros((2, self.config.dim), dtype=np.float32))
            ids = np.arange(2)
            rows.update(ids, np.ones((2, self.config.dim), dtype=np.float32))
            rows.put(ids, rows.export(ids))
            rows.gather(ids)

    def answer(self, header: dict[str, Any], arrays: list[Any]) -> tuple[dict[str, Any], list[Any]]:
        """Do what a message asks."""
        operation = header["op"]
        reply, *out = getattr(self, f"do_{operation}")(header, *arrays)
        return reply, out

    def do_hello(self, header: dict[str, Any]) -> tuple[Any, ...]:
        """A trainer arrives, or goes on after a failure; from now on its generation counts.

        A save of an earlier one that is not complete will not be.
        """
        if header["generation"] > self.generation:
            self._void()
            self.generation = header["generation"]
        return (
            {
                "incarnation": self.config.incarnation,
                "empty": self.rows is None or not self.settled,
                "step": self.step,
                "checkpoint": self.checkpoint,
                "pid": os.getpid(),
            },
        )

    def do_initialise(self, header: dict[str, Any]) -> tuple[Any, ...]:
        """Draw the first rows."""
        layout, config = self.layout, self.config
        flat = layout.flat_of(config.shard)
        rows = initial_rows(flat, config.num_embeddings, layout.first, config.dim, config.seed, config.shard)
        self._hold(rows, 0, header["generation"], [], 0)
        self.dirty[:] = True
        return ({"digest": self._digest()},)

    def do_lookup(self, header: dict[str, Any], ids: Any) -> tuple[Any, ...]:
        return {}, self.rows.gather(ids)  # type: ignore[union-attr]

    def do_update(self, header: dict[str, Any], ids: Any, gradients: Any) -> tuple[Any, ...]:
        """Apply one step's gradients, once."""
        if header["generation"] != self.generation or header["step"] <= self.step:
            return ({"applied": False, "step": self.step, "generation": self.generation},)
        self.rows.update(ids, gradients)  # type: ignore[union-attr]
        self.dirty[ids] = True
        if self.priority:
            self.priority.updated(ids)
        self.step = header["step"]
        return ({"applied": True},)

    def do_save(self, header: dict[str, Any]) -> tuple[Any, ...]:
        """Write a base or a delta; it counts once the trainer commits it.

        In the background: what is saved is copied, and a thread writes it. (A base of everything, from which an
        order begins, is written at once.)
        """
        begin = time.monotonic()
        self._void()  # one that nobody has completed
        changed = self.dirty | self.saved
        first = self.priority is None or not self.chain
        ids = np.flatnonzero(changed) if self.priority is None or first else self.priority.choose()
        base = (
            not self.chain
            or len(self.chain) > self.config.compact_after
            or self.delta_rows + len(ids) > COMPACT_AT * self.count
        )
        whole = base and first
        later = header.get("background", False) and not (whole and self.priority)
        arrays = self.rows.export(None if whole else ids)  # type: ignore[union-attr]
        if whole and later:
            arrays = {name: array.copy() for name, array in arrays.items()}
        unsaved = self.priority.begun(ids, arrays) if self.priority and not whole else 0
        if base and self.priority and not first:
            arrays = self.priority.merged(ids, arrays)
        self.saved, self.dirty = changed, np.zeros_like(changed)
        self.begun = begun = _Begun(header["sequence"], base, whole, len(ids))
        kind = "base" if base else "delta"
        name = f"{begun.sequence:08d}.shard-{self.config.shard}.{kind}.safetensors"
        content = {**arrays, **({} if base else {"ids": ids}), "step": np.array([self.step])}

        def write() -> FileRef:
            self.config.claim.check()
            return write_arrays(self.folder, name, content)

        begun.writing = Writing(write, seconds_of(arrays, self.config.bandwidth_bytes_per_s), later)
        reply: dict[str, Any] = {"step": self.step, "rows": self.count if whole else len(ids), "unsaved": unsaved}
        reply |= {"on": self.checkpoint, "ticks": self.priority.ticks if self.priority else 0}
        if not later:
            reply |= self._written()
        chosen = [ids] if header.get("tell_rows") and not whole else []
        at = time.monotonic()
        return {**reply, "at": at, "seconds": at - begin}, *chosen

    def do_drained(self, header: dict[str, Any]) -> tuple[Any, ...]:
        """Whether what the last save took is written."""
        return (self._written() if self.begun else {},)

    def _written(self) -> dict[str, Any]:
        """The chain that the save under way leaves; nothing while it is written."""
        begun = self.begun
        assert begun
        assert begun.writing
        found = begun.writing.found()
        if found is None:
            return {}
        if isinstance(found, str):
            return {"failed": found}
        begun.chain = [found] if begun.base else [*self.chain, found]
        return {"chain": [part.to_dict() for part in begun.chain], "size_bytes": found.size_bytes}

    def do_commit(self, header: dict[str, Any]) -> tuple[Any, ...]:
        """The checkpoint that the last save was for is complete."""
        begun = self.begun
        if begun and begun.chain:
            self.begun = None
            self.chain, self.checkpoint = begun.chain, begun.sequence
            self.delta_rows = 0 if begun.base else self.delta_rows + begun.rows
            self.saved[:] = False
            if begun.whole:
                self._start_priority()
            elif self.priority:
                self.priority.complete()
        return ({},)

    def _void(self) -> None:
        """The save that is not complete, if there is one, will not be."""
        begun, self.begun = self.begun, None
        if begun and begun.writing:
            begun.writing.void()
        if self.priority:
            self.priority.void()

    def do_load(self, header: dict[str, Any]) -> tuple[Any, ...]:
        """Return to a checkpoint; a damaged file is reported, and leaves the shard as it was."""
        begin = time.monotonic()
        chain = [FileRef(**ref) for ref in header["chain"]]
        rows: Rows | None = None
        delta_rows = 0
        try:
            for ref in chain:
                arrays = read_arrays(self.folder, ref)
                ids = arrays.pop("ids", None)
                arrays.pop("step")
                if rows is None:
                    rows = self._new_rows(arrays["rows"].copy())
                else:
                    delta_rows += len(ids)
                rows.put(ids, arrays)
        except CorruptError as error:
            return ({"corrupt": error.name, "reason": error.reason},)
        self.rows = rows
        self._reset(header["step"], header["generation"], chain, delta_rows)
        self.checkpoint = header.get("sequence")
        size = sum(ref.size_bytes for ref in chain)
        return ({"size_bytes": size, "seconds": time.monotonic() - begin, "digest": self._digest()},)

    def do_settle(self, header: dict[str, Any]) -> tuple[Any, ...]:
        """What was loaded (or drawn) is written down; before that, a new trainer has it loaded again."""
        self.settled = True
        return ({},)

    def do_put(self, header: dict[str, Any], rows: Any, *sums: Any) -> tuple[Any, ...]:
        """Take all rows from the trainer (checkpoints that it writes on its own)."""
        self._hold(rows, header["step"], header["generation"], [], 0)
        if sums:
            self.rows.put(None, {"rows": rows, "sums": sums[0]})  # type: ignore[union-attr]
        self.dirty[:] = True
        return ({"digest": self._digest()},)

    def do_export(self, header: dict[str, Any]) -> tuple[Any, ...]:
        """All rows and their optimizer state."""
        arrays = self.rows.export()  # type: ignore[union-attr]
        return {"names": list(arrays), "step": self.step}, *arrays.values()

    def do_digest(self, header: dict[str, Any]) -> tuple[Any, ...]:
        return ({"digest": self._digest(), "step": self.step},)

    def _new_rows(self, rows: Any) -> Rows:
        config = self.config
        if config.device == "cpu":
            return NumpyRows(rows, config.optimizer, config.lr)
        from validation.shards.rows_torch import TorchRows

        return TorchRows(rows, config.optimizer, config.lr, config.device)

    def _hold(self, rows: Any, step: int, generation: int, chain: list[FileRef], delta_rows: int) -> None:
        self.rows = self._new_rows(rows)
        self._reset(step, generation, chain, delta_rows)

    def _reset(self, step: int, generation: int, chain: list[FileRef], delta_rows: int) -> None:
        self._void()
        self.step, self.generation, self.chain, self.delta_rows = step, generation, chain, delta_rows
        self.dirty[:] = False
        self.saved[:] = False
        self.checkpoint = None
        self.settled = False
        self._start_priority()

    def _start_priority(self) -> None:
        """From now on some rows are saved before others; all that is here is safe."""
        if self.config.order is not None:
            arrays = self.rows.export()  # type: ignore[union-attr]
            seed = self.config.seed * 1000 + self.config.shard
            self.priority = Priority(self.config.order, self.config.fraction, arrays, seed)

    def _digest(self) -> str:
        found = hashlib.sha256()
        for array in self.rows.export().values():  # type: ignore[union-attr]
            found.update(np.ascontiguousarray(array).data.cast("B"))
        return found.hexdigest()


def main(config_path: str) -> None:
    """Serve one trainer after the other until told to stop."""
    config = ServerConfig.from_dict(told_in(config_path))
    meeting = Meeting(config.doors, told_in_secret())
    watch_parent()
    with one_line_without_memory(f"shard {config.shard}", config.device, "smaller tables"):
        server = Server(config)
        server.warm_up()
        with Door(meeting, f"shard-{config.shard}") as door:
            while True:
                wait([door.fileno()])
                connection = door.accept()
                if connection is not None:
                    with connection:
                        if not _serve(server, connection):
                            return


def _serve(server: Server, connection: Connection) -> bool:
    """Do what this trainer asks until it is gone; whether another will come."""
    try:
        while True:
            header, arrays = receive(connection)
            if header["op"] == "stop":
                send(connection, {})
                return False
            reply, out = server.answer(header, arrays)
            send(connection, reply, *out)
    except (PeerGone, PeerHung):
        return True  # this trainer is gone; another will come
