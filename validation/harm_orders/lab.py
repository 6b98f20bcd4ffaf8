"""A case from its first run to its last, each on the disk as it ends: what was done is not done again.

Predictions come first: runs of the probe seeds, without failures, tell what each order costs at the failures of
each seed; that is in ``predictions.json`` before any row is put back.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from cprmodel.harm.orders import HARM_ORDERS, harm_of_orders
from cprmodel.harm.predicted import HarmModel
from cprmodel.harm.record import HarmRecord, read_harm
from validation.harm.files import Files, read, run_in
from validation.harm.runs import at_work
from validation.harm.spoiling import spoiled
from validation.harm_orders.case import OrdersCase, SettingSection
from validation.harm_orders.running import measure, probed, strikes

__all__ = ["SPOILED", "measured", "predictions", "run_case"]

#: Wrong on purpose, as in the lab of single losses.
SPOILED = ("shuffled-accesses", "no-relearning")

PREDICTIONS = "predictions.json"


def run_case(case: OrdersCase, folder: Path, count: int, say: Callable[[str], None]) -> None:
    """Probe, predict, train and put back; goes on where an earlier run of the same case in the folder ended."""
    settings = range(len(case.settings))

    def done(what: str) -> Callable[[tuple[int, ...]], str]:
        return lambda one: " ".join([case.settings[one[0]].name + ":", *(f"seed {seed}" for seed in one[1:]), what])

    with at_work(case, folder, count, say) as (files, each):
        each(_probe, [(one, seed) for seed in case.probe_seeds for one in settings], done("probed"))
        each(_predict, [(one,) for one in settings], done("predicted"))
        if not files.read(folder / PREDICTIONS):
            told = {one.name: files.read(_told(folder, one))[0] for one in case.settings}
            files.write(folder / PREDICTIONS, [told])
            say("predictions written")
        each(_measure, [(one, seed) for seed in case.seeds for one in settings], done("measured"))


def _of_setting(folder: Path, setting: SettingSection) -> Path:
    return folder / re.sub(r"\W+", "-", setting.name).strip("-").lower()


def _told(folder: Path, setting: SettingSection) -> Path:
    return _of_setting(folder, setting) / "predicted.json"


def _record(folder: Path, setting: SettingSection, seed: int) -> Path:
    return _of_setting(folder, setting) / f"harm-{seed}.json"


def _records(case: OrdersCase, folder: Path, setting: SettingSection) -> list[HarmRecord]:
    return [read_harm(_record(folder, setting, seed)) for seed in case.probe_seeds]


def _probe(case: str, files: Files, number: int, seed: int) -> None:
    asked = OrdersCase.model_validate_json(case)
    setting = asked.settings[number]
    path = _record(files.folder, setting, seed)
    if not files.vouched(path):
        files.write_record(path, probed(asked, setting, seed))


def _predict(case: str, files: Files, number: int) -> None:
    asked = OrdersCase.model_validate_json(case)
    setting = asked.settings[number]
    path = _told(files.folder, setting)
    if files.read(path):
        return
    records = _records(asked, files.folder, setting)
    found = {}
    for how in ("", *SPOILED):
        models = [HarmModel(spoiled(one, how) if how else one) for one in records]
        found[how] = {str(seed): _of_seed(asked, setting, seed, models) for seed in asked.seeds}
    files.write(path, [found])


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


def _measure(case: str, files: Files, number: int, seed: int) -> None:
    asked = OrdersCase.model_validate_json(case)
    setting = asked.settings[number]
    path = _lines_of(files.folder, setting, seed)
    lines = files.read(path)
    done = {line["order"] for line in lines}
    if done >= set(setting.orders):
        return
    for line in measure(asked, setting, seed, _records(asked, files.folder, setting), done):
        lines.append(line)
        files.write(path, sorted(lines, key=lambda one: setting.orders.index(one["order"])))


def _lines_of(folder: Path, setting: SettingSection, seed: int) -> Path:
    return _of_setting(folder, setting) / f"seed-{seed}.jsonl"


def measured(folder: Path, case: OrdersCase, setting: SettingSection) -> dict[int, dict[str, dict[str, Any]]]:
    """What was measured with each seed whose runs are complete, by order."""
    run = run_in(folder)
    found = {
        seed: {line["order"]: line for line in read(_lines_of(folder, setting, seed), run)} for seed in case.seeds
    }
    return {seed: lines for seed, lines in found.items() if set(lines) >= set(setting.orders)}


def predictions(folder: Path) -> dict[str, dict[str, dict[str, dict[str, list[float]]]]]:
    """By setting, how it was predicted ("": right), seed and order: rise, fall of the AUC, updates lost.

    Empty where nothing was, or it is not as it was written.
    """
    return next(iter(read(folder / PREDICTIONS, run_in(folder))), {})
