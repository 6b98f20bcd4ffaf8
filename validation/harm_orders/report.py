"""What a case of orders found, as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from cprmodel.facts.version import __version__
from validation.harm_orders.case import OrdersCase
from validation.harm_orders.judging import Compared, SettingJudged
from validation.harm_orders.lab import SPOILED

__all__ = ["markdown", "overall"]

_SPOILED = {
    "shuffled-accesses": "rows that are used most taken for those that are used least",
    "no-relearning": "nothing is relearned",
}


def overall(found: Sequence[SettingJudged]) -> str:
    """FAIL when a setting fails, PASS when one passes, else INCONCLUSIVE."""
    said = [one.verdict for one in found]
    return "FAIL" if "FAIL" in said else "PASS" if "PASS" in said else "INCONCLUSIVE"


def markdown(case: OrdersCase, name: str, found: dict[str, list[SettingJudged]]) -> str:
    """The report."""
    right = found[""]
    compared = [one for each in right for one in each.compared if one.verdict]
    counts = {word: sum(one.verdict == word for one in compared) for word in ("PASS", "FAIL", "not resolved")}
    resolved, wrong = sum(one.pairs.resolved for one in right), sum(len(one.pairs.wrong) for one in right)
    where = ""
    if all(one.data.source != "synthetic" for one in case.settings):
        where = ", on real clicks"
    elif all(one.training.embedding_optimizer == "adam" for one in case.settings):
        where = " under Adam"
    lines = [
        f"# What to save first{where}: orders predicted and measured in the metric",
        "",
        f"cprmodel {__version__}; `python -m validation harm-orders validation/cases/{name}.toml`.",
        "",
        f"**{overall(right)}.** Size: {len(compared)} comparisons, {counts['PASS']} PASS, {counts['FAIL']} FAIL, "
        f"{counts['not resolved']} not resolved. Ranking: of {resolved} pairs of orders that the runs tell apart, "
        f"{resolved - wrong} are as predicted, {wrong} the other way round.",
        "",
        f"Every run has {case.failures} failures at random steps, each of which puts {case.lost_shards} of "
        f"{case.shards} shards back to what was saved, optimizer state included; orders of one seed share their "
        "failures, samples and first state, and are paired with the run of that seed that lost nothing. "
        "Predictions "
        f"are from the probes of {len(case.probe_seeds)} other seeds' runs without failures "
        "(`cprmodel.harm.orders`), written before any row was put back; nothing is fitted. `everything` saves all "
        "rows every time, whatever the bandwidth: no order of rows can cost less than that. A size passes "
        "within "
        f"±{case.tolerance:.0%} with its 90% interval (over seeds) inside ±{case.interval:.0%}, and fails when "
        f"that interval lies outside ±{case.tolerance:.0%}. A pair counts when its measured difference is larger "
        "than its 90% interval; predicted to be alike within 5% is not wrong.",
    ]
    for one in right:
        lines += ["", *_setting(case, one)]
    lines += [
        "",
        "## Spoiled predictions",
        "",
        "The same verdict on predictions that are wrong on purpose.",
        "",
        "| wrong | PASS | FAIL | not resolved | pairs the other way round | verdict |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for how in SPOILED:
        said = [one.verdict for each in found[how] for one in each.compared]
        numbers = " | ".join(str(said.count(word)) for word in ("PASS", "FAIL", "not resolved"))
        other = sum(len(one.pairs.wrong) for one in found[how])
        lines.append(f"| {_SPOILED[how]} | {numbers} | {other} | {overall(found[how])} |")
    return "\n".join(lines) + "\n"


def _setting(case: OrdersCase, judged: SettingJudged) -> list[str]:
    setting, training = judged.setting, judged.setting.training
    return [
        f"## {setting.name}",
        "",
        f"{judged.verdict}. {setting.data.source} clicks, {setting.steps:,} steps of {setting.data.batch_size}, "
        f"dim {setting.model.embedding_dim}, {training.embedding_optimizer} at {training.embedding_lr:g}"
        + (
            f", tables of at most {max(setting.num_embeddings):,} rows"
            if setting.data.source == "synthetic"
            else ""
        )
        + f"; every {setting.every} steps {setting.fraction:.3g} of the rows are saved; {judged.seeds} seeds. "
        + _gain(case, judged),
        "",
        f'Rise of the log loss at the end in 1e-4, ± 90%; "less {case.against}" is paired.',
        "",
        f"| order | predicted | measured | apart | less {case.against} | predicted so | AUC lost, 1e-4 | "
        "lost updates, M | size |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        *(_row(one) for one in sorted(judged.compared, key=lambda one: one.measured)),
        *_wrong(judged),
    ]


def _row(one: Compared) -> str:
    def known(value: float | None, form: str) -> str:
        return "" if value is None else form.format(1e4 * value)

    apart = "" if one.apart is None else f"{one.apart:+.0%} ± {one.apart_half:.0%}"
    return (
        f"| {one.order} | {known(one.predicted, '{:.1f}')} | {1e4 * one.measured:.1f} ± {1e4 * one.half:.1f} | "
        f"{apart} | {1e4 * one.against:+.1f} ± {1e4 * one.against_half:.1f} | "
        f"{known(one.against_predicted, '{:+.1f}')} | {1e4 * one.auc_fall:.1f} | {one.lost_updates / 1e6:.2f} | "
        f"{one.verdict} |"
    )


def _gain(case: OrdersCase, judged: SettingJudged) -> str:
    """How much of what the order compared with costs could be saved by any other one."""
    by = {one.order: one for one in judged.compared}
    if "everything" not in by:
        return ""
    floor, own = by["everything"], by[case.against]
    share = -floor.against / own.measured if own.measured > 0 else 0.0
    half = floor.against_half / own.measured if own.measured > 0 else 0.0
    return f"Of what {case.against} costs, no order could save more than {share:.0%} ± {half:.0%}."


def _wrong(judged: SettingJudged) -> list[str]:
    if not judged.pairs.wrong:
        return []
    said = "; ".join(f"{one} below {other}" for one, other in judged.pairs.wrong)
    return ["", f"Predicted, and measured the other way round: {said}."]
