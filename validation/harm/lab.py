"""A case of the lab from its first run to its last, each on the disk as it ends: what was done is not done again.

Predictions come first: every seed's run is trained with the probe on, and what is predicted of a seed's losses is
what the probes of the *other* seeds' runs saw. They are written to ``predictions.json`` before any row is put back.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from cprmodel.facts.files import write_whole
from cprmodel.harm.predicted import HarmModel
from cprmodel.harm.record import HarmRecord, read_harm
from validation.harm.case import HarmCase
from validation.harm.patterns import TABLES, Pattern, parts_of, patterns_of
from validation.harm.predicting import Predicted, predict
from validation.harm.running import measure, reference
from validation.harm.runs import each_in, pool_of, read_lines, take_folder, write_lines
from validation.harm.spoiling import SPOILED, spoiled

__all__ = ["measured", "predictions", "run_case"]

PREDICTIONS = "predictions.json"


def run_case(case: HarmCase, folder: Path, workers: int, say: Callable[[str], None]) -> None:
    """Train, predict, put back; goes on where an earlier run of the same case in the folder ended."""
    take_folder(case, folder)
    with pool_of(workers) as pool:
        each = each_in(pool, case, folder, say)
        each(
            _refer,
            [(s,) for s in case.seeds if not _reference(folder, s).exists()],
            lambda s: f"seed {s[0]} probed",
        )
        if not (folder / PREDICTIONS).exists():
            write_whole(folder / PREDICTIONS, (json.dumps(_predict_all(case, folder), indent=1) + "\n").encode())
            say("predictions written")
        each(_measure, [(seed,) for seed in case.seeds], lambda one: f"seed {one[0]} measured")


def _of_seed(folder: Path, seed: int) -> Path:
    return folder / f"seed-{seed}"


def _reference(folder: Path, seed: int) -> Path:
    return _of_seed(folder, seed) / "reference.json"


def _refer(case: str, folder: str, seed: int) -> None:
    own = _of_seed(Path(folder), seed)
    own.mkdir(exist_ok=True)
    found = reference(HarmCase.model_validate_json(case), seed, own / "harm.json")
    write_whole(own / "reference.json", json.dumps(found).encode())


def _measure(case: str, folder: str, seed: int) -> None:
    own = _of_seed(Path(folder), seed)
    lines = read_lines(own / "measured.jsonl")
    asked = HarmCase.model_validate_json(case)
    done = {line["pattern"] for line in lines}
    if done >= {one.name for one in patterns_of(asked)}:
        return
    expected = json.loads(_reference(Path(folder), seed).read_text(encoding="utf-8"))
    tables = json.loads((Path(folder) / PREDICTIONS).read_text(encoding="utf-8"))["tables"]
    for line in measure(asked, seed, expected, tables, done):
        lines.append(line)
        write_lines(own / "measured.jsonl", lines)


def measured(folder: Path, case: HarmCase) -> dict[int, list[dict[str, Any]]]:
    """What was measured with each seed whose runs are complete."""
    asked = {one.name for one in patterns_of(case)}
    found = {seed: read_lines(_of_seed(folder, seed) / "measured.jsonl") for seed in case.seeds}
    return {seed: lines for seed, lines in found.items() if {line["pattern"] for line in lines} >= asked}


def predictions(folder: Path) -> dict[str, dict[str, dict[str, list[float]]]]:
    """What was predicted: right or spoiled somehow, by seed and pattern, in the order of :class:`Predicted`."""
    found: dict[str, Any] = json.loads((folder / PREDICTIONS).read_text(encoding="utf-8"))
    return found


def _predict_all(case: HarmCase, folder: Path) -> dict[str, Any]:
    records = {seed: read_harm(_of_seed(folder, seed) / "harm.json") for seed in case.seeds}
    shares = {
        seed: json.loads(_reference(folder, seed).read_text(encoding="utf-8"))["shares"] for seed in case.seeds
    }
    tables = by_curvature(list(records.values()))
    found: dict[str, Any] = {"tables": tables}
    for how in ("", *SPOILED):
        told = {s: HarmModel(spoiled(record, how) if how else record) for s, record in records.items()}
        found[how] = {
            str(seed): {
                one.name: list(
                    _mean([_of(case, told[other], seed, shares[seed], tables, one) for other in case.others(seed)])
                )
                for one in patterns_of(case)
            }
            for seed in case.seeds
        }
    return found


def by_curvature(records: list[HarmRecord]) -> dict[str, list[int]]:
    """The quarter of the tables with the most curvature of an access, and the one with the least."""
    traces = np.mean([[t.curvature_trace for t in point.tables] for one in records for point in one.points], axis=0)
    order, few = np.argsort(-traces, kind="stable"), max(1, len(traces) // 4)
    sharp, flat = TABLES
    return {sharp: sorted(map(int, order[:few])), flat: sorted(map(int, order[-few:]))}


def _of(
    case: HarmCase, model: HarmModel, seed: int, shares: dict[str, Any], tables: dict[str, Any], pattern: Pattern
) -> Predicted:
    size = case.data.batch_size
    each = []
    for number, at in enumerate(pattern.at):
        if pattern.group in tables:
            bands = shares[f"shard 0 after {at}"]
            together = [[(low, float(i in tables[pattern.group])) for low, _ in one] for i, one in enumerate(bands)]
        else:
            parts = [shares[f"{part} after {at}"] for part in parts_of(pattern.group, seed, number, case.shards)]
            together = [_together(same) for same in zip(*parts, strict=True)]
        each.append(predict(model, at * size, pattern.lost * size, together))
    first, *others = each
    later = [Predicted(0.0, one.at_end, 0.0, one.auc_at_end) for one in others]
    return sum(later, first)


def _together(parts: tuple[Any, ...]) -> list[tuple[float, float]]:
    """One table's shares of several groups, whose bands are the same."""
    return [(bands[0][0], float(sum(share for _, share in bands))) for bands in zip(*parts, strict=True)]


def _mean(found: list[Predicted]) -> tuple[float, ...]:
    return tuple(float(value) for value in np.mean([one.numbers for one in found], axis=0))
