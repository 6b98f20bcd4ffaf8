"""Real inputs of every kind that is read, small."""

from __future__ import annotations

import functools
import io
import json
import random
import tempfile
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from tests.harm.test_record import FILE
from tests.logs.test_reading import FTA, JOBS, KUBERNETES, SACCT

__all__ = ["INPUTS"]

ROOT = Path(__file__).parents[2]


def _files(*patterns: str) -> list[bytes]:
    found = [path.read_bytes() for pattern in patterns for path in sorted(ROOT.glob(pattern))]
    assert found
    return found


def jobs() -> list[bytes]:
    """Job files: the examples, the presets, the template, one with every kind of failure."""
    presets = resources.files("cprmodel.presets")
    shipped = [one.read_bytes() for one in sorted(presets.iterdir(), key=str) if one.name.endswith(".toml")]
    return [*_files("examples/*.toml", "cprmodel/cli/template.toml", "validation/cases/*job.toml"), *shipped]


LANL = (
    "System,machine type,nodes,procstot,procsinnode,nodenum,Prob Started,Prob Fixed,Down Time,Facilities,Hardware\n"
    "18,smp,1024,4096,4,7,01/05/2003 10:00,01/05/2003 12:30,150,,CPU\n"
    "18,smp,1024,4096,4,9,02/11/2003 01:00,02/11/2003 02:00,60,,Memory\n"
    "20,smp,512,2048,4,3,03/01/2003 11:15,03/02/2003 09:00,1305,,Disk\n"
)
INFINITEHBD = json.dumps(
    [
        {"event_time": 0.5 * n, "event_type": "fault_start" if n % 2 else "fault_end", "node_id": f"n{n % 5}"}
        for n in range(20)
    ]
)


def logs() -> list[bytes]:
    """Logs of every form."""
    made = [SACCT, JOBS, json.dumps(KUBERNETES), FTA, LANL, INFINITEHBD, SACCT.replace("|", " ")]
    made += ["time,observed\n" + "".join(f"{3600 * (n + 1)},{int(n % 4 > 0)}\n" for n in range(30))]
    made += ["\n".join(f"{1.7e9 + 86400 * n * n}" for n in range(12))]
    made += [
        "; Computer: x\n"
        + "".join(f"{n} {100 * n} 5 {60 * n} 8 -1 -1 8 {n} -1 1 3 1 1 1 -1 -1 -1\n" for n in range(1, 20))
    ]
    return [*_files("examples/logs/*"), *(one.encode() for one in made)]


def training_logs() -> list[bytes]:
    """What a training loop writes, and the validation harness."""
    events: list[dict[str, Any]] = [{"event": "start", "at": 0.0}]
    for n in range(1, 12):
        events.append({"event": "step", "at": 10.0 * n, "step": n, "seconds": 9.0})
        if n % 4 == 0:
            events.append({"event": "save", "at": 10.0 * n + 0.5, "seconds": 0.5})
        if n == 6:
            events.append({"event": "failure", "at": 65.0, "lost_s": 5.0})
            events.append({"event": "recovered", "at": 69.0, "seconds": 4.0})
    return [*_files("examples/logs/run.jsonl"), "".join(json.dumps(one) + "\n" for one in events).encode()]


def records() -> list[bytes]:
    """Paired runs, and harm records."""
    runs = [{"seed": n, "pls": 0.01 * n, "drop": 0.001 * n, "pattern": "a" if n % 2 else "b"} for n in range(12)]
    return [
        *_files("examples/accuracy-record.csv"),
        json.dumps({"metric": "AUC", "runs": runs}).encode(),
        json.dumps(FILE).encode(),
    ]


def harm_records() -> list[bytes]:
    return [json.dumps(FILE).encode()]


def labs() -> list[bytes]:
    """What says whose a lab's folder is."""
    from tests.validation.test_harm import TINY
    from validation.events import sealed

    return [sealed({"run": "a run", "case": TINY}).encode()]


def shards() -> list[bytes]:
    return [*_files("examples/shards.csv"), b"shard,bytes,updates_per_s\na,1 GB,10\nb,2e9,0\n"]


def save_times() -> list[bytes]:
    return [b"time of a save\n41.2 s\n\n38 s,\n0.5 min\n", b"40 s\n40 s\n", b'"1 h"\n2 ms\n' * 40]


def counts() -> list[bytes]:
    found = []
    for array in (np.arange(1, 40), np.ones(5, dtype=np.float32), np.zeros((3, 3)), np.array([], dtype=np.int64)):
        file = io.BytesIO()
        np.save(file, array)
        found.append(file.getvalue())
    return found


def states() -> list[bytes]:
    from cprmodel.advising import Advisor
    from cprmodel.presets import load_preset

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.json"
        Advisor(load_preset("rsc-1"), "full", path).saved(3.0)
        return [path.read_bytes()]


def cases() -> list[bytes]:
    return _files("validation/cases/*.toml")


def criteo() -> list[bytes]:
    rng = random.Random(1)
    lines = [
        "\t".join(
            [str(rng.randrange(2)), *(str(rng.randrange(100)) for _ in range(13))]
            + [f"{rng.randrange(1 << 32):08x}" for _ in range(26)]
        )
        for _ in range(60)
    ]
    return [("\n".join(lines) + "\n").encode(), ("\n".join(lines).replace("\t", ",") + "\n").encode()]


def movielens() -> list[bytes]:
    rows = [f"{n % 7},{n % 11},{n % 5 + 0.5},{1e9 + n},t,a|b,19{n % 90 + 10}" for n in range(60)]
    return [("userId,movieId,rating,timestamp,title,genres,year\n" + "\n".join(rows) + "\n").encode()]


def manifests() -> list[bytes]:
    from cprmodel.checkpoints.files import FileRef
    from validation.checkpoint.manifest import Manifest

    ref = FileRef("00000003.trainer.safetensors", 10, "0" * 64)
    return [Manifest(3, 10, 1, {"batch": 3}, ref, ((ref,), (ref, ref)), "a run").to_json()]


def partial_manifests() -> list[bytes]:
    from cprmodel.checkpoints.contents import Manifest
    from cprmodel.checkpoints.files import FileRef
    from cprmodel.checkpoints.tables import Part

    ref, part = FileRef("00000003.base.safetensors", 10, "0" * 64), Part("users", 0, 5, 10, 0, 4, 4)
    return [Manifest(3, 10, "a run", ref, ((part,), ()), ((ref, ref), ()), (5, 0)).to_json()]


def event_logs() -> list[bytes]:
    """A run's log, as a resume reads it."""
    from tests.validation.helpers import small
    from validation.events import sealed

    case = small().model_dump(mode="json")
    events: list[dict[str, Any]] = [{"event": "start", "at": 0.0, "run": "a run", "case": case, "resumed": False}]
    events += [{"event": "respawn", "at": 1.0, "what": f"shard-{n}", "incarnation": 0, "pid": 9} for n in range(3)]
    events += [{"event": "ready", "at": 2.0, "generation": 1, "step": 0, "mode": "everybody"}]
    for n in range(1, 9):
        events.append({"event": "step", "at": 2.0 + n, "step": n, "samples": 32, "loss": 0.7, "replayed": False})
    events += [{"event": "save", "at": 11.0, "sequence": 1, "step": 8, "seconds": 0.1, "size_bytes": 9, "rows": 3}]
    events += [
        {"event": "failure", "at": 12.0, "number": 0, "kind": "shard", "shards": [1], "signal": "SIGKILL",
         "phase": "lookup", "executed": 8},
        {"event": "died", "at": 12.1, "what": "shard-1", "status": -9, "cause": "killed"},
        {"event": "load", "at": 12.2, "shard": 1, "sequence": 1, "step": 8, "seconds": 0.1, "size_bytes": 9},
        {"event": "recovered", "at": 12.3, "rolls_back": "failed_shards", "generation": 2, "step": 8, "seconds": 1},
        {"event": "stop", "at": 13.0, "status": "interrupted"},
    ]  # fmt: skip
    plain = "".join(json.dumps(one) + "\n" for one in events)
    return [plain.encode(), "".join(sealed(one) for one in events).encode()]


def journals() -> list[bytes]:
    from validation.training.journal import Journal

    with tempfile.TemporaryDirectory() as folder:
        one = Journal(Path(folder), "a run")
        for step in range(3):
            one.write("update", np.arange(4), np.ones((4, 2), dtype=np.float32), shard=0, step=step)
        one.close()
        return [(Path(folder) / "000000.journal").read_bytes()]


def small_sweep() -> Any:
    """Of six rows."""
    from cprmodel import load_preset
    from cprmodel.bulk import Sweep, grid_of

    job = load_preset("cpr-dlrm")
    values = {"cluster.embedding_shards": [4, 8, 16], "checkpoint.save": ["1 min", "4 min"]}
    return Sweep(job, grid_of(job, values))


def sweep_parts() -> list[bytes]:
    """The only part of a sweep."""
    from cprmodel.bulk import part_file, part_writer
    from cprmodel.facts.parts import Part

    sweep, part = small_sweep(), Part(1, 1)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "rows.csv"
        with part_writer(out, part, sweep) as writer:
            for chunk in sweep.chunks(1, part):
                writer.write(chunk)
        return [part_file(out, part).read_bytes()]


def tensors() -> list[bytes]:
    import safetensors.numpy

    return [safetensors.numpy.save({"rows": np.ones((4, 2), dtype=np.float32), "ids": np.arange(4)})]


_OF: dict[str, Callable[[], list[bytes]]] = {
    "job": jobs,
    "log": logs,
    "training log": training_logs,
    "record": records,
    "harm record": harm_records,
    "lab": labs,
    "shards": shards,
    "save times": save_times,
    "counts": counts,
    "state": states,
    "case": cases,
    "criteo": criteo,
    "movielens": movielens,
    "manifest": manifests,
    "partial manifest": partial_manifests,
    "event log": event_logs,
    "journal": journals,
    "sweep part": sweep_parts,
    "tensors": tensors,
}


class _Inputs:
    """The inputs of a kind, made once."""

    def __iter__(self) -> Any:
        return iter(_OF)

    @functools.cache  # noqa: B019  (there is one)
    def __getitem__(self, kind: str) -> tuple[bytes, ...]:
        return tuple(_OF[kind]())


INPUTS = _Inputs()
