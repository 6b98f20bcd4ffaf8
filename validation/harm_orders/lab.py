"""A case from its first run to its last, each on the disk as it ends: what was done is not done again.

Predictions come first: runs of the probe seeds, without failures, tell what each order costs at the failures of
each seed; that is in ``predictions.json`` before any row is put back.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from cprmodel.facts.files import write_whole
from cprmodel.harm.orders import HARM_ORDERS, harm_of_orders
from cprmodel.harm.predicted import HarmModel
from cprmodel.harm.record import HarmRecord, read_harm
from validation.harm.runs import each_in, pool_of, read_lines, take_folder, write_lines
from validation.harm.spoiling import spoiled
from validation.harm_orders.case import OrdersCase, SettingSection
from validation.harm_orders.running import measure, probed, strikes

__all__ = ["SPOILED", "measured", "predictions", "run_case"]

#: Wrong on purpose, as in the lab of single losses.
SPOILED = ("shuffled-accesses", "no-relearning")

PREDICTIONS = "predictions.json"


def run_case(case: OrdersCase, folder: Path, workers: int, say: Callable[[str], None]) -> None:
    """Probe, predict, train and put back; goes on where an earlier run of the same case in the folder ended."""
    take_folder(case, folder)
    settings = range(len(case.settings))

    def done(what: str) -> Callable[[tuple[int, ...]], str]:
        return lambda one: " ".join([case.settings[one[0]].name + ":", *(f"seed {seed}" for seed in one[1:]), what])

    with pool_of(workers) as pool:
        each = each_in(pool, case, folder, say)
        each(_probe, [(one, seed) for seed in case.probe_seeds for one in settings], done("probed"))
        each(_predict, [(one,) for one in settings], done("predicted"))
        told = {one.name: json.loads(_told(folder, one).read_text(encoding="utf-8")) for one in case.settings}
        if not (folder / PREDICTIONS).exists():
            write_whole(folder / PREDICTIONS, (json.dumps(told, indent=1) + "\n").encode())
            say("predictions written")
        each(_measure, [(one, seed) for seed in case.seeds for one in settings], done("measured"))


def _of_setting(folder: Path, setting: SettingSection) -> Path:
    return folder / re.sub(r"\W+", "-", setting.name).strip("-").lower()


def _told(folder: Path, setting: SettingSection) -> Path:
    return _of_setting(folder, setting) / "predicted.json"


def _records(case: OrdersCase, folder: Path, setting: SettingSection) -> list[HarmRecord]:
    return [read_harm(_of_setting(folder, setting) / f"harm-{seed}.json") for seed in case.probe_seeds]


def _probe(case: str, folder: str, number: int, seed: int) -> None:
    asked = OrdersCase.model_validate_json(case)
    setting = asked.settings[number]
    path = _of_setting(Path(folder), setting) / f"harm-{seed}.json"
    path.parent.mkdir(exist_ok=True)
    if not path.exists():
        probed(asked, setting, seed, path)


def _predict(case: str, folder: str, number: int) -> None:
    asked = OrdersCase.model_validate_json(case)
    setting = asked.settings[number]
    path = _told(Path(folder), setting)
    if path.exists():
        return
    records = _records(asked, Path(folder), setting)
    found = {}
    for how in ("", *SPOILED):
        models = [HarmModel(spoiled(one, how) if how else one) for one in records]
        found[how] = {str(seed): _of_seed(asked, setting, seed, models) for seed in asked.seeds}
    write_whole(path, json.dumps(found).encode())


def _of_seed(
    case: OrdersCase, setting: SettingSection, seed: int, models: list[HarmModel]
) -> dict[str, list[float]]:
    """Of each order: rise, fall of the AUC, updates lost; the mean over the probes."""
    size = setting.data.batch_size
    moments = [float(step * size) for step, _ in strikes(case, setting, seed)]
    orders = [one for one in setting.orders if one in HARM_ORDERS]
    share, every = case.lost_shards / case.shards, float(setting.every * size)
    told = [
        harm_of_orders(model, setting.fraction, every, moments, share, orders, draws=1, seed=seed)
        for model in models
    ]
    return {
        order: list(
            map(
                float,
                np.mean(
                    [(one[order].rise, one[order].auc_fall or 0.0, one[order].lost_updates) for one in told], axis=0
                ),
            )
        )
        for order in orders
    }


def _measure(case: str, folder: str, number: int, seed: int) -> None:
    asked = OrdersCase.model_validate_json(case)
    setting = asked.settings[number]
    path = _lines_of(Path(folder), setting, seed)
    lines = read_lines(path)
    done = {line["order"] for line in lines}
    if done >= set(setting.orders):
        return
    for line in measure(asked, setting, seed, _records(asked, Path(folder), setting), done):
        lines.append(line)
        write_lines(path, lines)


def _lines_of(folder: Path, setting: SettingSection, seed: int) -> Path:
    return _of_setting(folder, setting) / f"seed-{seed}.jsonl"


def measured(folder: Path, case: OrdersCase, setting: SettingSection) -> dict[int, dict[str, dict[str, Any]]]:
    """What was measured with each seed whose runs are complete, by order."""
    found = {
        seed: {line["order"]: line for line in read_lines(_lines_of(folder, setting, seed))} for seed in case.seeds
    }
    return {seed: lines for seed, lines in found.items() if set(lines) >= set(setting.orders)}


def predictions(folder: Path) -> dict[str, dict[str, dict[str, dict[str, list[float]]]]]:
    """By setting, how it was predicted ("": right), seed and order: rise, fall of the AUC, updates lost."""
    found: dict[str, Any] = json.loads((folder / PREDICTIONS).read_text(encoding="utf-8"))
    return found
