"""``cprmodel order``."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import typer

from cprmodel.cli.options import bandwidth_option, check_report, time_option
from cprmodel.cli.pages import Page
from cprmodel.cli.progress import INTERRUPTED, interrupted, progress
from cprmodel.facts.errors import DomainError, JobError, Problem
from cprmodel.facts.files import whole_file, write_whole
from cprmodel.facts.tables import cell
from cprmodel.ordering import Objective, Rows, Setting, rows_of, schedule, zipf_rows
from cprmodel.ordering.found import Ordered, order
from cprmodel.ordering.policies import POLICIES
from cprmodel.ordering.readers import read_shards
from cprmodel.rows import read_counts, zipf_weights

__all__ = ["Options", "run"]

_MOST_LINES = 1_000_000  # of a schedule
_MOST_EACH = 2_000_000_000  # rows whose intervals are computed one by one


@dataclass(frozen=True)
class Options:
    """The options of the command, as given."""

    shards: Path | None
    counts: Path | None
    zipf: float | None
    rows: float | None
    row_bytes: float | None
    harm: Path | None
    samples_per_s: float | None
    lost_share: float
    updates_per_row: float
    budget: str
    fraction: float
    objective: str
    policies: list[str]
    slot: str | None
    slots: int | None
    seed: int


def run(options: Options, as_json: bool, slots_to: Path | None, intervals: Path | None, page: Page) -> None:
    """Order and print, or write, what was found."""
    bandwidth = bandwidth_option("budget", options.budget)
    source = _source(options)
    for path, option in ((slots_to, "--schedule"), (intervals, "--intervals")):
        if path is not None:
            check_report(path, source, option)
    unknown = [name for name in options.policies if name not in POLICIES]
    if unknown:
        raise JobError("--policy", [Problem("", "", f'one of {", ".join(POLICIES)}, not "{unknown[0]}"')])
    if not 0.001 <= options.fraction <= 1:
        raise JobError(
            "--priority-fraction", [Problem("", "", f"a number from 0.001 to 1, not {options.fraction:g}")]
        )
    slot_s = time_option("slot", options.slot) if options.slot is not None else None
    if slots_to is None and (slot_s is not None or options.slots is not None):
        raise JobError("--slot, --slots", [Problem("", "", "a --schedule beside them")])
    setting = Setting(bandwidth, options.fraction, Objective(options.objective), options.seed)
    policies = tuple(options.policies) or POLICIES
    if options.harm is not None:
        found = _by_harm(options, setting, policies)
    else:
        rows, each = _rows(options, bandwidth)
        with progress("playing orders", len(policies)) as advance:
            found = order(source, rows, setting, policies, each, advance)
    if found.interrupted:
        _told_so_far(found, (slots_to, intervals, page.path), as_json)
        raise typer.Exit(INTERRUPTED)
    if slots_to is not None:
        _write_schedule(found, slot_s, options.slots, slots_to)
    if intervals is not None:
        with whole_file(intervals) as file:  # under the very name that was given
            # through write() alone: numpy's own way to a file does not say what went wrong
            np.lib.format.write_array(SimpleNamespace(write=file.write), found.intervals_s(), allow_pickle=False)

    def write(path: Path) -> None:
        from cprmodel.report.ordered import write_ordered_report

        write_ordered_report(found, path)

    page.write(write)
    if as_json:
        written = str(intervals) if intervals is not None else None
        typer.echo(json.dumps(found.to_dict(written), indent=2, allow_nan=False))
    else:
        from cprmodel.report.ordered import print_ordered

        print_ordered(found)
    for path, name in ((slots_to, "Schedule"), (intervals, "Intervals")):
        if path is not None:
            typer.echo(f"{name}: {path}", err=as_json)
    page.tell()


def _told_so_far(found: Ordered, targets: tuple[Path | None, ...], as_json: bool) -> None:
    """The policies looked at before it was interrupted; nothing is written."""
    unwritten = [str(path) for path in targets if path is not None]
    more = f" Not written: {', '.join(unwritten)}." if unwritten else ""
    interrupted(len(found.policies), found.wanted, "policies", more)
    if as_json:
        typer.echo(json.dumps(found.to_dict(), indent=2, allow_nan=False))
    else:
        from cprmodel.report.lines import print_lines_and_table
        from cprmodel.report.ordered import HEADINGS, ordered_lines, ordered_rows

        print_lines_and_table(ordered_lines(found), HEADINGS, ordered_rows(found))


def _by_harm(options: Options, setting: Setting, policies: tuple[str, ...]) -> Ordered:
    """The rows of a harm record, and what each order costs in the metric."""
    from cprmodel.harm.predicted import HarmModel
    from cprmodel.harm.record import read_harm
    from cprmodel.harm.summary import known_limit
    from cprmodel.ordering.metric import in_metric, rows_of_record

    assert options.harm is not None
    assert options.row_bytes is not None
    pace = options.samples_per_s
    if pace is None or not 0 < pace <= 1e15:
        said = "" if pace is None else f", not {pace:g}"
        raise JobError("--samples-per-s", [Problem("", "", f"the samples trained in a second, such as 1e6{said}")])
    if not 0 < options.lost_share <= 1:
        raise JobError("--lost-share", [Problem("", "", f"a share above 0, at most 1, not {options.lost_share:g}")])
    model = HarmModel(read_harm(options.harm))
    rows = rows_of_record(model, options.row_bytes, pace)
    with progress("playing orders", len(policies)) as advance:
        found = order(str(options.harm), rows, setting, policies, progress=advance)
    if found.interrupted:
        return found
    harm = tuple(in_metric(model, rows, setting, pace, options.lost_share))
    limit = known_limit(model.record)
    warnings = (*found.warnings, f"log loss and AUC: {limit}") if limit else found.warnings
    return replace(found, harm=harm, lost_share=options.lost_share, warnings=warnings)


def _source(options: Options) -> str:
    sources = (options.shards, options.counts, options.zipf, options.harm)
    if sum(one is not None for one in sources) != 1:
        raise JobError("order", [Problem("", "", "one of SHARDS.csv, --counts, --zipf and --harm")])
    if options.harm is None and options.samples_per_s is not None:
        raise JobError("--samples-per-s", [Problem("", "", "--harm beside it")])
    if options.shards is None and options.row_bytes is None:
        raise JobError("--row-bytes", [Problem("", "", "the bytes of a row, such as 64")])
    if options.row_bytes is not None and not 0 < options.row_bytes <= 1e12:
        raise JobError("--row-bytes", [Problem("", "", f"a number greater than 0, not {options.row_bytes:g}")])
    if options.zipf is None and options.rows is not None:
        raise JobError("--rows", [Problem("", "", "--zipf beside it")])
    if options.zipf is None:
        return str(options.shards or options.counts or options.harm)
    if not 0 <= options.zipf <= 10:
        raise JobError("--zipf", [Problem("", "", f"an exponent from 0 to 10, not {options.zipf:g}")])
    if options.rows is None or not 1 <= options.rows <= 1e13:
        raise JobError("--rows", [Problem("", "", "how many rows there are, from 1 to 1e13, such as 1e8")])
    return f"Zipf {options.zipf:g}, {options.rows:,.0f} rows"


def _rows(options: Options, bandwidth: float) -> tuple[Rows, Callable[[], Rows]]:
    """The rows, those alike together where there are many; and how to get each on its own."""
    if options.shards is not None:
        shards = read_shards(options.shards, options.row_bytes)
        if options.row_bytes is not None and options.row_bytes > shards.total_bytes:
            raise JobError("--row-bytes", [Problem("", "", f"at most all bytes, not {options.row_bytes:g}")])
        return shards, lambda: shards
    if not 0 < options.updates_per_row <= 1e9:
        raise JobError("--updates-per-row", [Problem("", "", f"a number above 0, not {options.updates_per_row:g}")])
    assert options.row_bytes is not None
    size, per_s = options.row_bytes, options.updates_per_row * bandwidth / options.row_bytes  # u·N over S/B
    if options.counts is not None:
        counts = read_counts(options.counts)
        rows = rows_of(counts * (per_s / counts.sum()), size, size)
        return rows, lambda: rows
    assert options.zipf is not None
    assert options.rows is not None
    exponent, number = options.zipf, round(options.rows)

    def each() -> Rows:
        if number > _MOST_EACH:
            raise JobError("--intervals", [Problem("", "", f"at most {_MOST_EACH:g} rows, not {number:g}")])
        weights = zipf_weights(exponent, 1, number)
        weights *= per_s / weights.sum()
        return rows_of(weights, size, size)

    return zipf_rows(exponent, number, size, per_s), each


def _write_schedule(found: Ordered, slot_s: float | None, slots: int | None, path: Path) -> None:
    """One line a piece, over the longest interval unless told."""
    if found.rows.names is None:
        raise JobError(
            "--schedule", [Problem("", "", "SHARDS.csv: rows are chosen by a tracker while training runs")]
        )
    wanted = found.intervals_s()
    lasting = wanted[np.isfinite(wanted) & (wanted > 0)]
    usual = min(found.setting.slot_s(found.rows), float(lasting.min()))
    try:
        plan = schedule(found.rows.size_bytes, wanted, found.setting.bandwidth_bytes_per_s, slot_s or usual)
    except DomainError as error:
        raise JobError("--slot", [Problem("", "", str(error).rpartition("expected ")[2])]) from None
    number = slots if slots is not None else int(np.ceil(lasting.max() / plan.slot_s))
    if number * len(plan.shards) > _MOST_LINES:
        most = _MOST_LINES // len(plan.shards)
        raise JobError("--slots", [Problem("", "", f"at most {most:,} slots for {len(plan.shards):,} shards")])
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["slot", "start_s", "shard", "first_byte", "bytes"])
    names = [cell(name) for name in found.rows.names]
    for one in plan.pieces(number):
        writer.writerow([one.slot, f"{one.start_s:.6f}", names[one.shard], one.first_byte, one.bytes])
    write_whole(path, text.getvalue())
