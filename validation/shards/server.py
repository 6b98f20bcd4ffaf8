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
from validation.claim import Claim, FolderTaken
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

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> ServerConfig:
        known = {"num_embeddings": tuple(data["num_embeddings"]), "claim": Claim(**data["claim"])}
        return cls(**{**data, **known})


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
        self.dirty = np.zeros(self.count, dtype=bool)  # changed since the last save
        self.saved = np.zeros(self.count, dtype=bool)  # changed before it, in a save that is not yet complete
        self.written: tuple[list[FileRef], int] | None = None  # ... and the chain it will leave
        self.priority: Priority | None = None  # where some rows are saved before others
        self.chosen: Any = None  # ... those of the save under way; None: all

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
        """A trainer arrives; from now on its generation counts."""
        self.generation = max(self.generation, header["generation"])
        return (
            {
                "incarnation": self.config.incarnation,
                "empty": self.rows is None or not self.settled,
                "step": self.step,
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
        """Write a base or a delta; it counts once the trainer commits it."""
        begin = time.monotonic()
        changed = self.dirty | self.saved
        first = self.priority is None or not self.chain
        ids = np.flatnonzero(changed) if self.priority is None or first else self.priority.choose()
        base = (
            not self.chain
            or len(self.chain) > self.config.compact_after
            or self.delta_rows + len(ids) > COMPACT_AT * self.count
        )
        kind = "base" if base else "delta"
        name = f"{header['sequence']:08d}.shard-{self.config.shard}.{kind}.safetensors"
        whole = base and first
        arrays = self.rows.export(None if whole else ids)  # type: ignore[union-attr]
        if base and self.priority and not first:
            arrays = self.priority.merged(ids, arrays)
        if not base:
            arrays["ids"] = ids
        try:
            self.config.claim.check()
            ref = write_arrays(self.folder, name, {**arrays, "step": np.array([self.step])})
        except FolderTaken as error:
            return ({"failed": str(error)},)
        except OSError as error:
            return ({"failed": error.strerror or str(error)},)
        self.saved, self.dirty = changed, np.zeros_like(changed)
        self.chosen = None if whole else ids
        self.written = ([ref] if base else [*self.chain, ref], 0 if base else self.delta_rows + len(ids))
        return (
            {
                "step": self.step,
                "chain": [part.to_dict() for part in self.written[0]],
                "rows": self.count if whole else len(ids),
                "unsaved": self.priority.left(ids) if self.priority and not whole else 0,
                "size_bytes": ref.size_bytes,
                "seconds": time.monotonic() - begin,
            },
        )

    def do_commit(self, header: dict[str, Any]) -> tuple[Any, ...]:
        """The checkpoint that the last save was for is complete."""
        if self.written:
            self.chain, self.delta_rows = self.written
            self.written = None
            self.saved[:] = False
            if self.chosen is None:
                self._start_priority()
            elif self.priority:
                self.priority.safe(self.chosen, self.rows.export(self.chosen))  # type: ignore[union-attr]
        return ({},)

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
        self.step, self.generation, self.chain, self.delta_rows = step, generation, chain, delta_rows
        self.dirty[:] = False
        self.saved[:] = False
        self.written = None
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
