"""``python -m validation.gpu.machine DEVICE OUT.json``: what this machine is, and what a process takes of it.

A process that stands on a GPU takes some hundred megabytes of it for its context alone, and seconds to begin: both
are measured with a second one, beside this. Copies are timed from pageable and from pinned memory, with a wait for
the device before each look at the clock.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cprmodel.facts.errors import CprModelError
from cprmodel.facts.files import write_whole
from validation.placement import Placement, resolve_device

__all__ = ["copies", "described", "standing"]

#: What decides how fast it is, and which sums it makes.
_TOLD = ("torch", "numpy", "scipy", "numba", "scikit-learn")
#: Copies of each kind; the median is told.
_TIMES = 9
#: Rows of a step, as validation/cases/gpu.toml looks them up, about.
_ROWS, _DIM = 20_000, 16


def described(device: str) -> dict[str, Any]:
    """Names, versions and sizes; those of a GPU where the device is one."""
    found: dict[str, Any] = {
        "device": device,
        "name": platform.processor() or platform.machine(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "cpus": os.cpu_count(),
        "versions": {name: version for name in _TOLD if (version := _version(name))},
        "memory_bytes": None,
        "free_bytes": None,
    }
    if Placement(device).device.type == "cuda":
        of = torch.cuda.get_device_properties(device)
        free, whole = torch.cuda.mem_get_info(device)
        found |= {
            "name": of.name,
            "capability": f"{of.major}.{of.minor}",
            "processors": of.multi_processor_count,
            "memory_bytes": whole,
            "free_bytes": free,
            "cuda": torch.version.cuda,
            "driver": _driver(),
        }
    return found


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _driver() -> str | None:
    """As the driver's own tool says, where it is installed."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return None
    asked = [tool, "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        said = subprocess.run(asked, capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    return said.strip().splitlines()[0] if said.strip() else None


def standing(device: str) -> dict[str, Any]:
    """Another process that comes to stand on the device: how long that takes, and what it takes of a GPU."""
    place = Placement(device)
    place.put(np.zeros(1, dtype=np.float32))  # our own context is there before
    place.wait()
    before = _free(place)
    begin = time.perf_counter()
    asked = [sys.executable, "-m", "validation.gpu.machine", "--stand", device]
    with subprocess.Popen(asked, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdin
        assert other.stdout
        said = other.stdout.readline()
        seconds = time.perf_counter() - begin
        after = _free(place)
        other.stdin.close()
        status = other.wait()
    if said != "stands\n" or status:
        raise RuntimeError(f"a second process on {device} did not come to stand (status {status})")
    return {"start_s": seconds, "context_bytes": max(0, before - after)}


def _free(place: Placement) -> int:
    return torch.cuda.mem_get_info(place.device)[0] if place.device.type == "cuda" else 0


def _stand(device: str) -> None:
    """Be that process, until standard input ends."""
    place = Placement(device)
    square = place.put(np.ones((64, 64), dtype=np.float32))
    (square @ square).sum().item()
    place.wait()
    print("stands", flush=True)
    sys.stdin.read()


def copies(device: str) -> dict[str, Any]:
    """Seconds for a step's rows to the device, from pageable memory as everywhere here, and from pinned memory."""
    place = Placement(device)
    rows = np.random.default_rng(1).standard_normal((_ROWS, _DIM), dtype=np.float32)
    there = place.put(rows)
    here = torch.from_numpy(rows)
    found: dict[str, Any] = {"bytes": rows.nbytes, "pageable_s": _median(place, lambda: there.copy_(here))}
    if place.device.type == "cuda":
        pinned = here.pin_memory()
        found["pinned_s"] = _median(place, lambda: there.copy_(pinned, non_blocking=True))
        found["pinned_with_filling_s"] = _median(place, lambda: there.copy_(pinned.copy_(here), non_blocking=True))
    return found


def _median(place: Placement, work: Callable[[], Any]) -> float:
    seconds = []
    for _ in range(_TIMES):
        place.wait()
        begin = time.perf_counter()
        work()
        place.wait()
        seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds)


def main(device: str, out: str) -> None:
    """Write it all down."""
    try:
        resolve_device(device, "--device")
    except CprModelError as error:
        sys.exit(str(error))
    found = {**described(device), **standing(device), "copies": copies(device)}
    write_whole(Path(out), json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    if sys.argv[1] == "--stand":
        _stand(sys.argv[2])
    else:
        main(*sys.argv[1:])
