"""Saving and loading the whole job: the trainer asks its shards, writes its own part, completes the checkpoint."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cprmodel.checkpoints.files import CorruptError, FileRef, read_arrays, write_arrays
from cprmodel.checkpoints.folders import folder_at
from validation.checkpoint.manifest import NUMBERED, Manifest, collect_garbage, manifests, write_manifest
from validation.checkpoint.writing import seconds_of
from validation.claim import Claim
from validation.shards.client import Request, ShardClients, ShardsLost

__all__ = ["Begun", "Copied", "SaveFailed", "Store"]

Tell = Callable[..., None]


@dataclass
class Begun:
    """A checkpoint that is not complete."""

    sequence: int
    step: int
    generation: int
    cursor: dict[str, Any]
    at_s: float  # by the monotonic clock
    before: Manifest | None = None  # where saves rotate: the one that it builds on
    chains: dict[int, tuple[FileRef, ...]] = field(default_factory=dict)  # of shards that have written
    waits_for: set[int] = field(default_factory=set)  # shards that have not
    facts: dict[str, Any] = field(default_factory=dict)
    rows: dict[int, Any] = field(default_factory=dict)  # by shard, which it takes; without: all
    # by shard, the checkpoint that its part lies on, and how often it has chosen rows since it was loaded
    on: dict[int, tuple[int | None, int]] = field(default_factory=dict)


Copied = Callable[[Begun], None]


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
        self.tell_rows = False  # whether shards say which rows they save
        self.bandwidth_bytes_per_s: float | None = None  # of storage, for each who writes; None: whatever it has
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
        copied: Copied = lambda save: None,
        background: bool = False,
    ) -> bool:
        """Write a checkpoint; False when it failed. ShardsLost when shards died meanwhile: it is void then.

        ``copied`` is told of it once every shard has answered; ``background``: it is complete later, in a store
        that can do so.
        """
        self.claim.check()
        one = Begun(self.sequence, step, generation, cursor, time.monotonic())
        self.sequence += 1
        try:
            self._ask(one, sent, background)
            self._go_on(one, dense, copied, background)
        except ShardsLost:
            self.tell("save_void", sequence=one.sequence)
            raise
        except (OSError, SaveFailed) as error:
            self._failed(one, error)
            return False
        return True

    def void(self) -> bool:
        """Give up the save that is under way in the background, if there is one; whether there was."""
        return False

    def _go_on(self, one: Begun, dense: dict[str, Any], copied: Copied, background: bool) -> None:
        """Shards have written their parts: the trainer's, and the manifest."""
        time.sleep(seconds_of(dense, self.bandwidth_bytes_per_s))
        trainer = self._save_trainer(one.sequence, dense)
        self._tell_copied(one, copied)
        self._complete(one, trainer)

    def _tell_copied(self, one: Begun, copied: Copied) -> None:
        """What the checkpoint will hold stands."""
        before = one.before
        rotated = {} if before is None else {"after": before.sequence, "shards": self._in_turn(before)}
        self.tell("saving", sequence=one.sequence, step=one.step, **rotated)
        copied(one)

    def _complete(self, one: Begun, trainer: FileRef) -> None:
        """All parts are written; with the manifest it counts, shards hear of it, and what none needs goes."""
        before = one.before
        kept = (dict(enumerate(before.shards)) if before else {}) | one.chains
        chains = tuple(kept[shard] for shard in sorted(kept))
        turn = (before.turn + (self.rotate or 0)) % self.clients.shards if before else 0
        manifest = Manifest(
            one.sequence, one.step, one.generation, one.cursor, trainer, chains, self.claim.run, turn
        )
        self.claim.check()
        write_manifest(self.place, manifest)
        self.tell("save", sequence=one.sequence, step=one.step, seconds=time.monotonic() - one.at_s, **one.facts)
        with contextlib.suppress(ShardsLost):  # complete anyway; who was lost is noticed at the next message
            self.clients.broadcast({"op": "commit"})
        try:
            collect_garbage(self.place, self.claim.run)
        except OSError as error:  # it takes room, and is tried again after the next save
            self.tell("remark", text=f"what no checkpoint needs could not be removed: {error.strerror or error}")

    def _failed(self, one: Begun, error: Exception) -> None:
        reason = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
        self.tell("save_failed", sequence=one.sequence, reason=reason)

    def load_shards(
        self, shards: Iterable[int], generation: int, sent: Callable[[], None]
    ) -> dict[int, tuple[int | None, str]]:
        """Return these shards to the newest checkpoint that is whole for each: which, and a checksum of them."""
        loaded: dict[int, tuple[int | None, str]] = {}
        left = set(shards)
        for manifest in self._manifests(self._corrupt):
            self.tell("begin_load", shards=sorted(left))
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
            self.tell("begin_load", shards=sorted(everybody))
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

    def _ask(self, one: Begun, sent: Callable[[], None], background: bool) -> None:
        """All shards to save; after another checkpoint those whose turn it is: the others are as they are there."""
        one.before = next(self._manifests(), None) if self.rotate else None
        asked = self.clients.all() if one.before is None else self._in_turn(one.before)
        header = {"op": "save", "sequence": one.sequence, "background": background, "tell_rows": self.tell_rows}
        replies = self.clients.exchange(dict.fromkeys(asked, (header, ())), sent)
        all_s = time.monotonic() - one.at_s
        one.waits_for = set(asked)
        for shard in asked:
            self._heard(one, shard, replies[shard][0])
            if replies[shard][0]["step"] > one.step:
                raise SaveFailed(f"shard {shard} has done step {replies[shard][0]['step']} already")
        one.rows = {shard: replies[shard][1][0] for shard in asked if replies[shard][1]}
        one.on = {shard: (replies[shard][0]["on"], replies[shard][0]["ticks"]) for shard in asked}
        one.facts["rows"] = sum(replies[shard][0]["rows"] for shard in asked)
        if not background:
            one.facts["written_s"] = [_written_s(replies[shard][0], one.at_s, all_s) for shard in asked]
        if one.before is None:
            one.facts["unsaved"] = [replies[shard][0]["unsaved"] for shard in asked]  # updates, by shard

    def _heard(self, one: Begun, shard: int, header: dict[str, Any]) -> None:
        """A shard has written its part, or cannot, or says nothing of it yet."""
        if "failed" in header:
            raise SaveFailed(f"shard {shard}: {header['failed']}")
        if "chain" in header:
            one.chains[shard] = tuple(FileRef(**ref) for ref in header["chain"])
            one.facts["size_bytes"] = one.facts.get("size_bytes", 0) + header["size_bytes"]
            one.waits_for.discard(shard)

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
                    "sequence": manifest.sequence,
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


def _written_s(header: dict[str, Any], since: float, all_s: float) -> float:
    """After how long a shard had written its part: by its clock if that is ours, but surely no sooner than it took.

    ``all_s``: and no later than when all had answered.
    """
    return float(round(min(all_s, max(header["seconds"], header["at"] - since)), 6))
