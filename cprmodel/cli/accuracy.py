"""``cprmodel accuracy``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import typer

from cprmodel.cli.options import check_report
from cprmodel.cli.pages import Page
from cprmodel.facts.errors import JobError, Problem
from cprmodel.facts.files import write_whole
from cprmodel.fitting import fit_accuracy, read_record
from cprmodel.harm.record import is_harm, read_harm
from cprmodel.report.accuracy import print_accuracy, write_accuracy_report

__all__ = ["run"]


def run(
    path: Path, pattern: str | None, test_seeds: str | None, out: Path | None, as_json: bool, page: Page
) -> None:
    """Read, fit, and print or write what was found."""
    if out is not None:
        check_report(out, str(path), "--out")
    page.is_not(out)
    if is_harm(path):
        refused = {"--pattern": pattern, "--test-seeds": test_seeds}
        for option, given in refused.items():
            if given is not None:
                raise JobError(option, [Problem("", "", f"a record of paired runs, not the harm record {path}")])
        _show_harm(path, out, as_json, page)
        return
    record = read_record(path)
    if pattern is not None:
        record = record.of_pattern(pattern)
    found = fit_accuracy(record, _seeds(test_seeds))
    _write_model(found.model_dict(), out)
    page.write(lambda target: write_accuracy_report(found, target))
    if as_json:
        typer.echo(json.dumps(found.to_dict(), indent=2, allow_nan=False))
    else:
        print_accuracy(found)
    _tell_model(out, as_json)
    page.tell()


def _write_model(model: dict[str, Any], out: Path | None) -> None:
    if out is not None:
        write_whole(out, json.dumps(model, indent=2, allow_nan=False) + "\n")


def _tell_model(out: Path | None, as_json: bool) -> None:
    if out is not None:
        typer.echo(f'Model: {out}. In a job file: [accuracy] model = "{out.name}"', err=as_json)


def _show_harm(path: Path, out: Path | None, as_json: bool, page: Page) -> None:
    from cprmodel.harm.predicted import HarmModel
    from cprmodel.report.harm import harm_dict, print_harm, write_harm_report

    record = read_harm(path)
    if out is not None:
        from cprmodel.harm.slope import accuracy_model

        _write_model(accuracy_model(HarmModel(record), record=path.name).model_dump(mode="json"), out)
    page.write(lambda target: write_harm_report(record, str(path), target))
    if as_json:
        typer.echo(json.dumps(harm_dict(record), indent=2, allow_nan=False))
    else:
        print_harm(record, str(path))
    _tell_model(out, as_json)
    page.tell()


def _seeds(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise JobError("--test-seeds", [Problem("", "", f'seeds such as 2,4, not "{text}"')]) from None
