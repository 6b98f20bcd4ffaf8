"""Saving and loading the whole job: the trainer asks its shards, writes its own part, completes the checkpoint."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from cprmodel.checkpoints.files import CorruptError, FileRef, read_arrays, write_arrays
from cprmodel.checkpoints.folders import folder_at
from validation.checkpoint.manifest import NUMBERED, Manifest, collect_garbage, manifests, write_manifest
from validation.claim import Claim
from validation.shards.client import Request, ShardClients, ShardsLost

__all__ = ["SaveFailed", "Store"]

Tell = Callable[..., None]


class SaveFailed(Exception):
    """A part of a checkpoint could not be written; nothing was lost by it."""


class Store:
    """Checkpoints of one run: per shard a base and ordered deltas, one file for the trainer, a manifest.

    ``tell`` takes the name of an event and its facts. FolderTaken where another run has come into the folder.
    """

    def __init__(
        self, folder: str | Path, clients: ShardClients, tell: Tell, claim: Claim, rotate: int | None = None
    ) -> None:
        self.place, self.clients, self.tell, self.claim = folder_at(folder), clients, tell, claim
        self.rotate = rotate  # so many shards in each save, in turn; None: all
        claim.check()
        names = [int(name[:8]) for name in self.place.names() if NUMBERED(name)]
        self.sequence = max(names, default=-1) + 1

    def save(
        self,
        step: int,
        generation: int,
        cursor: dict[str, Any],
        dense: dict[str, Any],
        sent: Callable[[], None],
        writing: Callable[[int, int | None], None] = lambda sequence, after: None,
    ) -> bool:
        """Write a checkpoint; False when it failed. ShardsLost when shards died meanwhile: it is void then."""
        begin = time.monotonic()
        self.claim.check()
        sequence = self.sequence
        self.sequence += 1
        try:
            before = next(self._manifests(), None) if self.rotate else None
            chains, facts = self._save_shards(sequence, step, sent, before)
            trainer = self._save_trainer(sequence, dense)
            rotated = {} if before is None else {"after": before.sequence, "shards": self._in_turn(before)}
            self.tell("saving", sequence=sequence, step=step, **rotated)
            writing(sequence, None if before is None else before.sequence)
            turn = 0 if before is None else (before.turn + (self.rotate or 0)) % self.clients.shards
            manifest = Manifest(sequence, step, generation, cursor, trainer, chains, self.claim.run, turn)
            self.claim.check()
            write_manifest(self.place, manifest)
        except ShardsLost:
            self.tell("save_void", sequence=sequence)
            raise
        except (OSError, SaveFailed) as error:
            reason = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
            self.tell("save_failed", sequence=sequence, reason=reason)
            return False
        seconds = time.monotonic() - begin
        self.tell("save", sequence=sequence, step=step, seconds=seconds, **facts)
        with contextlib.suppress(ShardsLost):  # complete anyway; who was lost is noticed at the next message
            self.clients.broadcast({"op": "commit"})
        try:
            collect_garbage(self.place, self.claim.run)
        except OSError as error:  # it takes room, and is tried again after the next save
            self.tell("remark", text=f"what no checkpoint needs could not be removed: {error.strerror or error}")
        return True

    def load_shards(
        self, shards: Iterable[int], generation: int, sent: Callable[[], None]
    ) -> dict[int, tuple[int | None, str]]:
        """Return these shards to the newest checkpoint that is whole for each: which, and a checksum of them."""
        loaded: dict[int, tuple[int | None, str]] = {}
        left = set(shards)
        for manifest in self._manifests(self._corrupt):
            found = self._load(manifest, left, generation, sent)
            loaded |= {shard: (manifest.sequence, digest) for shard, digest in found.items()}
            left -= set(found)
            if not left:
                return loaded
        return loaded | {shard: (None, digest) for shard, digest in self._initialise(left, generation).items()}

    def load_everybody(self, generation: int, sent: Callable[[], None]) -> tuple[Manifest, dict[str, Any]] | None:
        """Return everybody to the newest checkpoint that is whole; None: to the beginning, for there is none."""
        everybody = set(self.clients.all())
        for manifest in self._manifests(self._corrupt):
            try:
                dense = self._load_trainer(manifest)
            except CorruptError as error:
                self._corrupt(error)
                continue
            if set(self._load(manifest, everybody, generation, sent)) == everybody:
                self._forget_after(manifest.sequence)
                self.tell("load", shard="trainer", sequence=manifest.sequence, step=manifest.step)
                return manifest, dense
        self._forget_after(-1)
        self._initialise(everybody, generation)
        return None

    def _manifests(self, on_corrupt: Callable[[CorruptError], None] | None = None) -> Iterator[Manifest]:
        return manifests(self.place, self.claim.run, on_corrupt)

    @property
    def newest_step(self) -> int:
        """The step of the newest checkpoint, -1 without one."""
        newest = next(self._manifests(), None)
        return -1 if newest is None else newest.step

    def _in_turn(self, before: Manifest) -> list[int]:
        """The shards of a save that rotates, after another one."""
        return [(before.turn + more) % self.clients.shards for more in range(self.rotate or 0)]

    def _save_shards(
        self, sequence: int, step: int, sent: Callable[[], None], before: Manifest | None = None
    ) -> tuple[tuple[tuple[FileRef, ...], ...], dict[str, Any]]:
        """Of all shards; after another checkpoint, of those whose turn it is: the others are as they are there."""
        asked = self.clients.all() if before is None else self._in_turn(before)
        replies = self.clients.exchange(dict.fromkeys(asked, ({"op": "save", "sequence": sequence}, ())), sent)
        headers = {shard: replies[shard][0] for shard in asked}
        for shard, header in headers.items():
            if "failed" in header:
                raise SaveFailed(f"shard {shard}: {header['failed']}")
            if header["step"] > step:
                raise SaveFailed(f"shard {shard} has done step {header['step']} already")
        kept = dict(enumerate(before.shards)) if before is not None else {}
        kept |= {shard: tuple(FileRef(**ref) for ref in header["chain"]) for shard, header in headers.items()}
        facts = {
            "size_bytes": sum(header["size_bytes"] for header in headers.values()),
            "rows": sum(header["rows"] for header in headers.values()),
        }
        if before is None:
            facts["unsaved"] = [headers[shard]["unsaved"] for shard in self.clients.all()]  # updates, by shard
        return tuple(kept[shard] for shard in self.clients.all()), facts

    def _save_trainer(self, sequence: int, dense: dict[str, Any]) -> FileRef:
        return write_arrays(self.place, f"{sequence:08d}.trainer.safetensors", dense)

    def _load_trainer(self, manifest: Manifest) -> dict[str, Any]:
        return read_arrays(self.place, manifest.trainer)

    def _load(
        self, manifest: Manifest, shards: Iterable[int], generation: int, sent: Callable[[], None]
    ) -> dict[int, str]:
        """Load a checkpoint where it is whole; tell of the rest."""
        requests = {
            shard: (
                {
                    "op": "load",
                    "step": manifest.step,
                    "generation": generation,
                    "chain": [ref.to_dict() for ref in manifest.shards[shard]],
                },
                (),
            )
            for shard in shards
        }
        digests: dict[int, str] = {}
        for shard, (header, _) in self.clients.exchange(requests, sent).items():
            if "corrupt" in header:
                self._corrupt(CorruptError(header["corrupt"], header["reason"]))
            else:
                digests[shard] = header["digest"]
                self._tell_load(shard, manifest, header["seconds"], header["size_bytes"])
        return digests

    def _tell_load(self, shard: int, manifest: Manifest, seconds: float, size_bytes: int) -> None:
        self.tell(
            "load",
            shard=shard,
            sequence=manifest.sequence,
            step=manifest.step,
            seconds=seconds,
            size_bytes=size_bytes,
        )

    def _initialise(self, shards: Iterable[int], generation: int) -> dict[int, str]:
        requests: dict[int, Request] = {
            shard: ({"op": "initialise", "generation": generation}, ()) for shard in shards
        }
        replies = self.clients.exchange(requests)
        for shard in replies:
            self.tell("load", shard=shard, sequence=None, step=0)
        return {shard: header["digest"] for shard, (header, _) in replies.items()}

    def _forget_after(self, sequence: int) -> None:
        """Checkpoints after the one that everybody returned to belong to a past that did not happen."""
        self.claim.check()
        for name in self.place.names():
            if NUMBERED(name) and name.endswith(".json") and int(name[:8]) > sequence:
                self.place.remove(name)

    def _corrupt(self, error: CorruptError) -> None:
        self.tell("corrupt", file=error.name, reason=error.reason)
