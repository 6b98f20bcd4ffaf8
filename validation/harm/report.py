"""What a case of the lab found, as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cprmodel.facts.version import __version__
from validation.harm.case import HarmCase
from validation.harm.jitter import JitterOfUse
from validation.harm.judging import WHEN, AgainstLine, Compared, Judged, judge
from validation.harm.spoiling import SPOILED

__all__ = ["judged", "markdown"]

Jitter = tuple[int, int, list[JitterOfUse]]

_WHEN = {"at_once": "At once", "at_end": "At the end of training"}
_SPOILED = {
    "other-tables": "each table with another one's curvature",
    "shuffled-accesses": "rows that are used most taken for those that are used least",
    "no-relearning": "nothing is relearned",
}


def judged(case: HarmCase, folder: Path) -> dict[str, Judged]:
    """As the theory has it (""), and spoiled on purpose."""
    return {how: judge(case, folder, how) for how in ("", *SPOILED)}


def markdown(
    case: HarmCase, name: str, found: dict[str, Judged], line: AgainstLine | None, jitter: Jitter | None = None
) -> str:
    """The report."""
    right = found[""]
    passed = sum(one.verdict == "PASS" for one in right.compared)
    failed = sum(one.verdict == "FAIL" for one in right.compared)
    open_ = len(right.compared) - passed - failed
    losses, training = case.losses, case.training
    lines = [
        "# Predicted, then measured: what lost rows cost",
        "",
        f"cprmodel {__version__}; `python -m validation harm validation/cases/{name}.toml`.",
        "",
        f"**{right.verdict}.** {len(right.compared)} comparisons: {passed} PASS, {failed} FAIL, "
        f"{open_} not resolved; the AUC's RMS error {_of_rms(right)}; {right.seeds} seeds, {right.runs} runs with "
        "losses.",
        "",
        f"Training: {case.data.source} clicks, {case.steps:,} steps of {case.data.batch_size}, "
        f"{len(case.num_embeddings)} tables of at most {max(case.num_embeddings):,} rows, "
        f"dim {case.model.embedding_dim}, {training.embedding_optimizer} at {training.embedding_lr:g}. Rows and "
        "their optimizer state are put back in one process, which is what a partial recovery does; each run is "
        "paired, bit by bit, with the one of its seed that lost nothing.",
        "",
        "Predicted for a seed is the mean of what the probes of the *other* seeds' runs saw, in runs without "
        "failures; it was on the disk before any row was put back, and nothing is fitted to a loss. A comparison "
        f"passes within ±{losses.tolerance:.0%} with its 90% interval (from the scatter over seeds) inside "
        f"±{losses.interval:.0%}; it fails when that interval lies outside ±{losses.tolerance:.0%}.",
    ]
    for when in WHEN:
        lines += ["", f"## {_WHEN[when]}", "", *_table([one for one in right.compared if one.when == when])]
    limit = "" if right.rms_most is None else f" (at most {right.rms_most:g} asked)"
    lines += [
        "",
        "## The AUC at the end",
        "",
        f"RMS over {right.runs} runs of predicted against measured fall: {right.rms:.2g}{limit}; of saying that "
        f"nothing is lost: {right.rms_nothing:.2g}.",
        *_against_line(line),
        *_of_jitter(jitter),
        "",
        "## Spoiled predictions",
        "",
        "The same verdict on predictions that are wrong on purpose.",
        "",
        "| wrong | PASS | FAIL | not resolved | RMS of the AUC's fall | verdict |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for how in SPOILED:
        one = found[how]
        said = [each.verdict for each in one.compared]
        counts = " | ".join(str(said.count(word)) for word in ("PASS", "FAIL", "not resolved"))
        lines.append(f"| {_SPOILED[how]} | {counts} | {one.rms:.2g} | {one.verdict} |")
    return "\n".join(lines) + "\n"


def _of_rms(found: Judged) -> str:
    if found.rms_most is None:
        return f"is {found.rms:.2g}"
    return f"{found.rms:.2g} is {'within' if found.rms <= found.rms_most else 'above'} the {found.rms_most:g} asked"


def _against_line(line: AgainstLine | None) -> list[str]:
    if line is None:
        return []
    better = "The prediction is nearer." if line.predicted < line.line else "The line is nearer."
    return [
        "",
        f"Where rows are lost by chance (shards, all rows: {line.runs} runs) a line through zero can be fitted: "
        f"{line.slope:.3g} of AUC per unit of PLS. Fitted to the other seeds' runs it misses by {line.line:.2g} "
        f"RMS, the prediction, which is fitted to none, by {line.predicted:.2g}. {better}",
    ]


def _of_jitter(jitter: Jitter | None) -> list[str]:
    if jitter is None or not jitter[2]:
        return []
    moment, lost, rows = jitter
    return [
        "",
        "## Jitter",
        "",
        f"What rows moved in the {lost} steps before step {moment}, as ½pΔᵀHΔ in 1e-4, beside what jitter alone "
        "should give: steps and curvature say it, nobody looks at Δ for it. Mean over the seeds' probes.",
        "",
        "| accesses of a row per sample | moved | jitter | share |",
        "| --- | ---: | ---: | ---: |",
        *(
            f"| {one.accesses_from:.2g} to {one.accesses_to:.2g} | {1e4 * one.quadratic:.2f} | "
            f"{1e4 * one.jitter:.2f} | {one.jitter / one.quadratic:.2f} |"
            for one in rows
        ),
    ]


def _table(compared: Sequence[Compared]) -> list[str]:
    return [
        "Rise of the log loss in 1e-4, the mean of a loss.",
        "",
        "| rows put back | losses a seed | predicted | measured | apart, 90% | verdict |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
        *(
            f"| {one.name} | {one.losses} | {1e4 * one.predicted / one.losses:.2f} | "
            f"{1e4 * one.measured / one.losses:.2f} | {one.apart:+.0%} ± {one.half:.0%} | {one.verdict} |"
            for one in compared
        ),
    ]
