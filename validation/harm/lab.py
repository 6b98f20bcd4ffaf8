"""A case of the lab from its first run to its last, each on the disk as it ends: what was done is not done again.

Predictions come first: every seed's run is trained with the probe on, and what is predicted of a seed's losses is
what the probes of the *other* seeds' runs saw. They are written to ``predictions.json`` before any row is put back.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from cprmodel.harm.predicted import HarmModel
from cprmodel.harm.record import HarmRecord, read_harm
from validation.harm.case import HarmCase
from validation.harm.files import Files, read, run_in
from validation.harm.patterns import TABLES, Pattern, parts_of, patterns_of
from validation.harm.predicting import Predicted, predict
from validation.harm.running import measure, reference
from validation.harm.runs import at_work
from validation.harm.spoiling import SPOILED, spoiled

__all__ = ["measured", "predictions", "record_of", "run_case"]

PREDICTIONS = "predictions.json"


def run_case(case: HarmCase, folder: Path, count: int, say: Callable[[str], None]) -> None:
    """Train, predict, put back, so many at a time; goes on where an earlier run of the case in the folder ended."""
    with at_work(case, folder, count, say) as (files, each):
        missing = [seed for seed in case.seeds if _referred(files, seed) is None]
        each(_refer, [(seed,) for seed in missing], lambda s: f"seed {s[0]} probed")
        if not files.read(folder / PREDICTIONS):
            files.write(folder / PREDICTIONS, [_predict_all(case, files)])
            say("predictions written")
        each(_measure, [(seed,) for seed in case.seeds], lambda one: f"seed {one[0]} measured")


def record_of(folder: Path, seed: int) -> Path:
    """What the probe of a seed's run saw."""
    return folder / f"seed-{seed}" / "harm.json"


def _lines(folder: Path, seed: int) -> Path:
    return folder / f"seed-{seed}" / "measured.jsonl"


def _reference(folder: Path, seed: int) -> Path:
    return folder / f"seed-{seed}" / "reference.json"


def _referred(files: Files, seed: int) -> dict[str, Any] | None:
    """What the run of a seed with the probe on found, if all of it is whole."""
    if not files.vouched(record_of(files.folder, seed)):
        return None
    return next(iter(files.read(_reference(files.folder, seed))), None)


def _refer(case: str, files: Files, seed: int) -> None:
    record, found = reference(HarmCase.model_validate_json(case), seed)
    files.write_record(record_of(files.folder, seed), record)
    files.write(_reference(files.folder, seed), [found])


def _measure(case: str, files: Files, seed: int) -> None:
    asked, path = HarmCase.model_validate_json(case), _lines(files.folder, seed)
    lines = files.read(path)
    done, names = {line["pattern"] for line in lines}, [one.name for one in patterns_of(asked)]
    if done >= set(names):
        return
    (expected,) = files.read(_reference(files.folder, seed))
    (told,) = files.read(files.folder / PREDICTIONS)
    for line in measure(asked, seed, expected, told["tables"], done):
        lines.append(line)
        files.write(path, sorted(lines, key=lambda one: names.index(one["pattern"])))


def measured(folder: Path, case: HarmCase) -> dict[int, list[dict[str, Any]]]:
    """What was measured with each seed whose runs are complete."""
    asked, run = {one.name for one in patterns_of(case)}, run_in(folder)
    found = {seed: read(_lines(folder, seed), run) for seed in case.seeds}
    return {seed: lines for seed, lines in found.items() if {line["pattern"] for line in lines} >= asked}


def predictions(folder: Path) -> dict[str, dict[str, dict[str, list[float]]]]:
    """What was predicted: right or spoiled somehow, by seed and pattern, in the order of :class:`Predicted`.

    Empty where nothing was, or it is not as it was written.
    """
    return next(iter(read(folder / PREDICTIONS, run_in(folder))), {})


def _predict_all(case: HarmCase, files: Files) -> dict[str, Any]:
    records = {seed: read_harm(record_of(files.folder, seed)) for seed in case.seeds}
    shares = {seed: files.read(_reference(files.folder, seed))[0]["shares"] for seed in case.seeds}
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
