"""What reads an input: every reader of the library and the harness, every command that takes a file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cprmodel.facts.errors import CprModelError
from tests.fuzz import oracle

__all__ = ["TARGETS", "Target"]

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Target:
    """What is done with an input of a kind, in a file with this ending."""

    kind: str
    ending: str
    run: Callable[[Path, bytes], None]
    share: float = 1.0  #: of the inputs that others get, for what is slow


def _command(words: str) -> Callable[[Path, bytes], None]:
    def run(path: Path, content: bytes) -> None:
        from cprmodel.cli import main

        shown = [
            str(path) if word == "{}" else word.replace("{folder}", str(path.parent)) for word in words.split()
        ]
        oracle.command(["cprmodel", *shown], content, main)

    return run


def _reader(read: Callable[[Path], Any], *more: str) -> Callable[[Path, bytes], None]:
    def run(path: Path, content: bytes) -> None:
        oracle.reader(lambda: read(path), _allowed(*more))

    return run


def _allowed(*more: str) -> tuple[type[BaseException], ...]:
    from cprmodel.advising.state import StateDamaged
    from cprmodel.checkpoints.files import CorruptError
    from validation.data.batch import DataError

    known = {"state": StateDamaged, "corrupt": CorruptError, "data": DataError}
    return (CprModelError, *(known[one] for one in more))


def _state(path: Path) -> Any:
    from cprmodel.advising.state import read_state

    return read_state(path)


def _manifest(path: Path) -> Any:
    from validation.checkpoint.manifest import Manifest

    return Manifest.from_json("00000003.json", path.read_bytes())


def _partial_manifest(path: Path) -> Any:
    from cprmodel.checkpoints.contents import Manifest

    return Manifest.from_json("00000003.json", path.read_bytes())


def _case(path: Path) -> Any:
    from validation.case import Case

    return Case.from_file(path).failure_plan()


def _experiment(path: Path) -> Any:
    from validation.experiment.design import Experiment

    return Experiment.from_file(path)


def _harm_case(path: Path) -> Any:
    from validation.harm.case import HarmCase

    return HarmCase.from_file(path, None, None)


def _orders_case(path: Path) -> Any:
    from validation.harm_orders.case import OrdersCase

    return OrdersCase.from_file(path, None, None)


def _lab(path: Path) -> Any:
    from validation.harm.files import read, run_in

    path.replace(path.with_name("case.json"))
    return read(path.with_name("case.json"), run_in(path.parent))


def _times(path: Path, content: bytes) -> None:
    _command(f"simulate {ROOT / 'examples' / 'production-dlrm.toml'} --times {{}} --runs 10 --json")(path, content)


def _save_times(path: Path) -> Any:
    from cprmodel import Job

    point = {"save_times": str(path), "load": "1 min"}
    return Job.from_mapping({"job": {"work": "9 d"}, "failures": {"mtbf": "9 h"}, "checkpoint": point})


def _criteo(path: Path) -> Any:
    from validation.data.criteo import Criteo

    source = Criteo([path], [100] * 26, 16)
    batches = source.train(None)
    return [next(batches) for _ in range(3)], list(source.test()), source.remarks()


def _movielens(path: Path) -> Any:
    from validation.data.movielens import MovieLens

    source = MovieLens(path, 16)
    batches = source.train(None)
    return [next(batches) for _ in range(3)], list(source.test())


def _resume(path: Path) -> Any:
    from tests.validation.helpers import small
    from validation.supervisor.folder import Folder

    return Folder(small(), path.parent)._read_past(path, True)


def _journal(path: Path) -> Any:
    from validation.training.journal import read_journals

    return list(read_journals(path.parent))


def _replica(path: Path) -> Any:
    from validation.training.replica import Replica

    return Replica(path, 20, "a run", lambda reason: None).read()


def _sweep_part(path: Path) -> Any:
    from cprmodel.bulk import merged
    from tests.fuzz.inputs import small_sweep

    return list(merged(path.with_name(path.name.removesuffix(".part-1-of-1")), 1, small_sweep()))


def _tensors(path: Path) -> Any:
    import hashlib

    from cprmodel.checkpoints.files import FileRef, read_arrays

    content = path.read_bytes()
    ref = FileRef(path.name, len(content), hashlib.sha256(content).hexdigest())
    return read_arrays(path.parent, ref)


TARGETS: dict[str, Target] = {
    "plan": Target("job", ".toml", _command("plan {}")),
    "plan --json": Target("job", ".toml", _command("plan {} --json")),
    "plan --model exact": Target("job", ".toml", _command("plan {} --model exact --explain")),
    "plan --report": Target("job", ".toml", _command("plan {} --report {folder}/a.html"), 0.1),
    "regret": Target("job", ".toml", _command("regret {} --mtbf-error 4")),
    "simulate": Target("job", ".toml", _command("simulate {} --runs 100 --json"), 0.5),
    "sweep": Target("job", ".toml", _command("sweep {} --vary failures.mtbf=1h:100h:log5 --workers 1"), 0.5),
    "solve": Target(
        "job", ".toml", _command("solve {} --for failures.mtbf --until overhead<=5% --strategy full"), 0.3
    ),
    "whatif": Target("job", ".toml", _command("whatif {} -o {folder}/a.html"), 0.03),
    "fit": Target("log", ".csv", _command("fit {}")),
    "fit --json": Target("log", ".csv", _command("fit {} --json")),
    "fit --job-file": Target("log", ".csv", _command("fit {} --job-file {folder}/JOB.toml")),
    "fit LANL": Target("log", ".csv", _command("fit {} --format lanl --system 18")),
    "fit InfiniteHBD": Target("log", ".json", _command("fit {} --format infinitehbd")),
    "fit --report": Target("log", ".csv", _command("fit {} --report {folder}/a.html"), 0.05),
    "goodput": Target("training log", ".jsonl", _command("goodput {}")),
    "goodput --json": Target("training log", ".jsonl", _command("goodput {} --json")),
    "accuracy CSV": Target("record", ".csv", _command("accuracy {}")),
    "accuracy JSON": Target("record", ".json", _command("accuracy {} --json")),
    "accuracy --out": Target("record", ".json", _command("accuracy {} --out {folder}/model.json")),
    "save_times": Target("save times", ".txt", _reader(_save_times)),
    "order": Target("shards", ".csv", _command("order {} --budget 2GB/s --policy uniform --policy best-fixed")),
    "order --schedule": Target(
        "shards", ".csv", _command("order {} --budget 2GB/s --policy uniform --schedule {folder}/out.csv"), 0.5
    ),
    "order --counts": Target(
        "counts", ".npy", _command("order --counts {} --row-bytes 64 --budget 2GB/s --policy uniform --json")
    ),
    "advisor's state": Target("state", ".json", _reader(_state, "state")),
    "case": Target("case", ".toml", _reader(_case)),
    "experiment": Target("case", ".toml", _reader(_experiment)),
    "harm case": Target("case", ".toml", _reader(_harm_case)),
    "orders case": Target("case", ".toml", _reader(_orders_case)),
    "lab's case": Target("lab", ".json", _reader(_lab)),
    "simulate --times": Target("log", ".csv", _times, 0.5),
    "order --harm": Target(
        "harm record",
        ".json",
        _command("order --harm {} --samples-per-s 1000 --row-bytes 64 --budget 9kB/s --policy mfu"),
        0.2,
    ),
    "Criteo": Target("criteo", ".tsv", _reader(_criteo, "data")),
    "MovieLens": Target("movielens", ".csv", _reader(_movielens, "data")),
    "manifest": Target("manifest", ".json", _reader(_manifest, "corrupt")),
    "partial manifest": Target("partial manifest", ".json", _reader(_partial_manifest, "corrupt")),
    "resume": Target("event log", ".jsonl", _reader(_resume)),
    "journal": Target("journal", ".journal", _reader(_journal, "corrupt")),
    "replica": Target("journal", ".bin", _reader(_replica)),
    "sweep part": Target("sweep part", ".csv.part-1-of-1", _reader(_sweep_part)),
    "tensors": Target("tensors", ".safetensors", _reader(_tensors, "corrupt")),
}
