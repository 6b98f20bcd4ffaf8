"""``torch.distributed.checkpoint`` as a second backend: the trainer gathers all state and writes it.

It is here to measure what such a save and load cost. Its files get the same manifest, and with it the same
promise: complete or absent, damage detected.

DCP's own metadata file is a pickle, which runs what is in it when it is read. It is read only when its checksum is
the one in the manifest, but that guards against accident alone: whoever can write the folder can write a manifest
that fits. Load such checkpoints from folders that only you can write to. (The files of the other backend hold
numbers, and run nothing.)
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
import warnings
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.filesystem import FileSystemReader, FileSystemWriter
from torch.distributed.checkpoint.metadata import TensorStorageMetadata
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import save

from cprmodel.checkpoints.files import CorruptError, FileRef, read_checked, write_file
from validation.checkpoint.manifest import Manifest
from validation.checkpoint.store import Begun, SaveFailed, Store

__all__ = ["DcpStore"]


class DcpStore(Store):
    """Every checkpoint is a folder that DCP writes; each is whole, there are no deltas."""

    def __init__(self, folder: Path, *arguments: Any) -> None:
        super().__init__(folder, *arguments)
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self._gathered: dict[str, torch.Tensor] = {}

    def _ask(self, one: Begun, sent: Callable[[], None], background: bool) -> None:
        replies = self.clients.broadcast({"op": "export"}, sent)
        for shard, (header, _) in replies.items():
            if header["step"] > one.step:
                raise SaveFailed(f"shard {shard} has done step {header['step']} already")
        self._gathered = {
            f"shard-{shard}.{name}": torch.from_numpy(array)
            for shard, (header, arrays) in replies.items()
            for name, array in zip(header["names"], arrays, strict=True)
        }
        one.facts["rows"] = sum(len(tensor) for name, tensor in self._gathered.items() if name.endswith(".rows"))
        one.facts["size_bytes"] = sum(tensor.nbytes for tensor in self._gathered.values())

    def save(self, step: int, generation: int, cursor: Any, dense: Any, *rest: Any, **more: Any) -> bool:
        """As :meth:`Store.save`; the files are written where the trainer's are."""
        try:
            return super().save(step, generation, cursor, dense, *rest, **more)
        finally:
            self._gathered = {}

    def _save_trainer(self, sequence: int, dense: dict[str, Any]) -> FileRef:
        state = {**self._gathered, **{f"trainer.{name}": torch.from_numpy(array) for name, array in dense.items()}}
        name = f"{sequence:08d}.dcp"
        beside = self.folder / f".{name}.tmp"
        try:
            self._write(state, beside)
        except (OSError, RuntimeError, CheckpointException) as error:  # torch raises all of them on a full disk
            shutil.rmtree(beside, ignore_errors=True)
            failures = error.failures.values() if isinstance(error, CheckpointException) else ()
            causes = [str(cause) for cause, _ in failures]
            raise SaveFailed((causes or [str(error)])[0].splitlines()[0]) from None
        os.rename(beside, self.folder / name)
        refs = [self._ref(path) for path in sorted((self.folder / name).iterdir())]
        # one reference stands for all: a small file that lists the others
        listing = "\n".join(f"{ref.name} {ref.size_bytes} {ref.sha256}" for ref in refs)
        ref = write_file(self.folder / name, "files.txt", listing.encode())
        return replace(ref, name=f"{name}/{ref.name}")

    def _write(self, state: dict[str, torch.Tensor], folder: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it saves in one process
            save(state, storage_writer=FileSystemWriter(folder, sync_files=True), no_dist=True)

    def _ref(self, path: Path) -> FileRef:
        content = path.read_bytes()
        return FileRef(f"{path.parent.name}/{path.name}", len(content), hashlib.sha256(content).hexdigest())

    def _checked(self, manifest: Manifest) -> Path:
        """The folder of a checkpoint in which every file is as it was written."""
        for line in read_checked(self.folder, manifest.trainer).decode().splitlines():
            name, size, digest = line.rsplit(" ", 2)
            read_checked(self.folder, FileRef(name, int(size), digest))
        return self.folder / Path(manifest.trainer.name).parent

    def _read(self, manifest: Manifest, prefix: str) -> dict[str, Any]:
        reader = FileSystemReader(self._checked(manifest))
        metadata = reader.read_metadata().state_dict_metadata
        state = {
            key: torch.empty(entry.size, dtype=entry.properties.dtype)
            for key, entry in metadata.items()
            if key.startswith(prefix) and isinstance(entry, TensorStorageMetadata)
        }
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            load(state, storage_reader=reader, no_dist=True)
        return {key.removeprefix(prefix): tensor.numpy() for key, tensor in state.items()}

    def _load_trainer(self, manifest: Manifest) -> dict[str, Any]:
        return self._read(manifest, "trainer.")

    def _load(
        self, manifest: Manifest, shards: Iterable[int], generation: int, sent: Callable[[], None]
    ) -> dict[int, str]:
        digests: dict[int, str] = {}
        for shard in shards:
            begin = time.monotonic()
            try:
                arrays = self._read(manifest, f"shard-{shard}.")
            except CorruptError as error:
                self._corrupt(error)
                return digests
            header = {"op": "put", "step": manifest.step, "generation": generation}
            order = [arrays[name] for name in ("rows", "sums") if name in arrays]
            reply = self.clients.exchange({shard: (header, tuple(order))}, sent)[shard][0]
            digests[shard] = reply["digest"]
            size = sum(np.asarray(array).nbytes for array in order)
            self._tell_load(shard, manifest, time.monotonic() - begin, size)
        return digests
