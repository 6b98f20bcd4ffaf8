"""A fitted trace as text for a terminal, and as a page with its curves."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from cprmodel.facts.units import count_of, format_share, format_time
from cprmodel.fitting import Analysis
from cprmodel.fitting.analysis import CLEARLY, FEW, HARDLY
from cprmodel.fitting.likelihood import FITTED
from cprmodel.formulas.regret import mtbf_regret
from cprmodel.report.fitted_figures import fitted_figures
from cprmodel.report.unchecked import unchecked

__all__ = [
    "HEADINGS",
    "fitted_lines",
    "fitted_rows",
    "print_fitted",
    "render_fitted",
    "write_fitted_report",
]

HEADINGS = ["model", "shape", "scale", "mean", "log-likelihood", "AIC", "weight"]


def fitted_rows(found: Analysis) -> list[list[str]]:
    """One row per model, the best first."""
    return [
        [
            one.name,
            "" if one.shape is None else f"{one.shape:.4g}",
            format_time(one.scale_s),
            format_time(one.mean_s),
            f"{one.log_likelihood:,.2f}",
            f"{one.aic:,.2f}",
            format_share(found.weight(one)) if found.weight(one) > 1e-4 else "< 0.01%",
        ]
        for one in found.models
    ]


def _interval(found: Analysis) -> str:
    low, high = found.mtbf_bounds_s
    return f"at least {format_time(low)}" if high is None else f"{format_time(low)} to {format_time(high)}"


def fitted_lines(found: Analysis) -> list[str]:
    """What the trace says, line by line."""
    trace = found.trace
    censored = trace.n - trace.events
    runs = trace.reading is not None and trace.reading.kind in ("runs", "availability")
    why = "without one" if runs else "by the end of the observation"
    lines = list(trace.reading.lines()) if trace.reading is not None else []
    lines += [
        f"{count_of(trace.n, 'duration')}: {trace.events:,} ended by an interruption, "
        f"{censored:,} cut short {why}; {format_time(trace.exposure_s)} observed"
    ]
    if trace.merged:
        lines.append(f"{trace.merged:,} events at the same moment as another are counted as one interruption")
    if found.mtbf_s is None:
        lines.append(f"no interruption was seen: the MTBF is {_interval(found)} (95% bound); nothing can be fitted")
        return lines + _about_few(found) + _about_downtimes(found)
    lines.append(f"MTBF {format_time(found.mtbf_s)}, 90% interval {_interval(found)}")
    lines += _about_few(found)
    lines += _about_models(found)
    lines += _about_the_mean(found)
    lines += _about_ages(found)
    lines += _about_drift(found)
    lines.append(_about_the_interval(found))
    return lines + _about_downtimes(found)


def _about_downtimes(found: Analysis) -> list[str]:
    """How long restarts, repairs and waits took, with the law that fits each best."""
    out = []
    for one in found.downtimes:
        times = one.times.values_s
        low, middle, high = (format_time(float(q)) for q in np.quantile(times, [0.05, 0.5, 0.95]))
        law = ""
        if one.law is not None:
            shape = (
                ""
                if one.law.shape is None
                else f", {'σ' if one.law.name == 'lognormal' else 'shape'} {one.law.shape:.3g}"
            )
            law = f"; {one.law.name} fits best{shape}"
        out.append(
            f"{one.times.name} ({one.times.meaning}): mean {format_time(float(np.mean(times)))} of {len(times):,}, "
            f"median {middle}, 5% to 95% {low} to {high}{law}"
        )
    return out


def _about_few(found: Analysis) -> list[str]:
    """What the interval of the MTBF takes for granted where events are few (benchmarks/fitting.py measures it)."""
    if found.trace.events >= FEW:
        return []
    return [
        "with fewer than ten interruptions it is too early to say whether they come in bursts. If they do not, "
        "such an interval holds the true MTBF in at least 93 of 100 logs (with three to five interruptions); if "
        "they do (Weibull shape 0.6 to 0.8), in 84 to 89"
    ]


def _about_models(found: Analysis) -> list[str]:
    if not found.models:
        return []
    best = found.models[0]
    lines = []
    if len(found.models) > 1:
        second = found.models[1]
        ahead = second.aic - best.aic
        if ahead < HARDLY:
            lines.append(
                f"{best.name} and {second.name} fit about equally well (AIC {ahead:.1f} apart): use either"
            )
        else:
            sure = "clearly better" if ahead >= CLEARLY else "better"
            lines.append(f"{best.name} fits {sure} than {second.name}, the next (AIC {ahead:.1f} lower)")
    missing = set(FITTED) - {one.name for one in found.models}
    if missing:
        lines.append(f"not fitted, for want of two distinct times: {', '.join(sorted(missing))}")
    if found.shape_ci90 is not None:
        low, high = found.shape_ci90
        weibull = next(one for one in found.models if one.name == "weibull")
        if high < 1 and found.two_rates_explain:
            assert found.mixture is not None
            one, other = format_time(found.mixture.mean_s), format_time(found.mixture.other_mean_s)
            meaning = (
                "failures come in bursts; or there are units, or periods, of two different rates, which explains "
                f"the log as well ({format_share(found.mixture.share)} of the times: mean {one}, the rest {other}, "
                f"AIC {found.mixture.aic - weibull.aic:+.1f} against Weibull's)"
            )
        elif high < 1:
            meaning = "failures come in bursts: after one, another soon is more likely"
        elif low > 1:
            meaning = "wear: the longer ago the last failure, the more likely the next"
        else:
            meaning = "no bursts and no wear to be seen (a constant rate has shape 1)"
        lines.append(f"Weibull shape {weibull.shape:.3g}, 90% interval {low:.3g} to {high:.3g}: {meaning}")
    return lines


def _about_the_mean(found: Analysis) -> list[str]:
    """Why a law's mean is another than exposure over failures, and which of them the plan uses."""
    if found.mean_apart is None or found.mtbf_s is None:
        return []
    longest = format_time(float(np.max(found.trace.durations_s)))
    if found.mean_apart < 1:
        why = (
            f"{found.trace.n - found.trace.events:,} of {found.trace.n:,} times were cut short, most before "
            "the age at which that law expects failures"
        )
    else:
        why = f"its mean depends on times longer than any that was seen ({longest})"
    return [
        f"the {found.models[0].name} law's mean is {format_time(found.models[0].mean_s)}, observed time over "
        f"failures is {format_time(found.mtbf_s)}: {why}. The plan uses the latter"
    ]


def _about_ages(found: Analysis) -> list[str]:
    ages = found.ages
    if ages is None or not ages.rises:
        return []
    shown = ", ".join(
        f"{format_time(one.mtbf_s)} until {format_time(one.to_s)} ({one.events:,} failures)" for one in ages.bands
    )
    return [
        f"failures become {ages.fold:.3g} times as frequent with age (p = {ages.p_value:.1g}); MTBF of one by its "
        f"age: {shown}",
        "one MTBF does not say that: give the age of the nodes in the job file ([failures] node_age, beside nodes)",
    ]


def _about_drift(found: Analysis) -> list[str]:
    drift = found.drift
    if drift is None:
        return []
    steady = (
        f"the rate {'rises' if drift.statistic > 0 else 'falls'} over the observation"
        if drift.drifts
        else "no steady trend of the rate"
    )
    lines = [f"{steady} (Lewis-Robinson {drift.statistic:+.2f}, p = {drift.p_value:.2g})"]
    if drift.change_p_value is not None and drift.shape_within is not None:
        how = "it changes from window to window" if drift.changes else "no change from window to window"
        lines.append(
            f"{how} (p = {drift.change_p_value:.2g}); with a scale for each, the Weibull shape is "
            f"{drift.shape_within:.3g}"
        )
    law = found.power_law
    if drift.drifts and law is not None:
        lines.append(
            f"as a power law (Crow-AMSAA, shape {law.shape:.3g}, 90% interval {law.shape_ci90[0]:.3g} to "
            f"{law.shape_ci90[1]:.3g}) the MTBF at the end is {format_time(law.mtbf_s(law.window_s))}; the plan "
            'uses the mean unless the job file says when ([failures] rate_at = "end", or another time; --since and '
            "--until choose a window)"
        )
    shown = [format_time(drift.window_s / n) if n else "none" for n in drift.events]
    lines.append(f"MTBF in {len(drift.events)} windows of {format_time(drift.window_s)}: {', '.join(shown)}")
    return lines


def _about_the_interval(found: Analysis) -> str:
    low, high = found.mtbf_bounds_s
    assert found.mtbf_s is not None
    if high is None:
        return (
            "the best interval between saves grows with the square root of the MTBF: so far it has no upper bound"
        )

    if found.ages is not None and found.ages.rises:
        return "the best interval between saves changes with the age of the nodes"
    worst = max(float(mtbf_regret.raw(limit / found.mtbf_s)) for limit in (low, high))
    down, up = math.sqrt(low / found.mtbf_s) - 1, math.sqrt(high / found.mtbf_s) - 1
    return (
        f"so the best interval between saves may be {-100 * down:.0f}% shorter to {100 * up:.0f}% longer than the "
        f"one for this MTBF; if it is, saves and lost work cost up to {format_share(worst)} more than they need to"
    )


def print_fitted(found: Analysis) -> None:
    """Print to standard output."""
    from cprmodel.report.lines import print_lines_and_table

    print_lines_and_table(fitted_lines(found), HEADINGS, fitted_rows(found))


def render_fitted(found: Analysis) -> str:
    """The page as HTML text."""
    from cprmodel.report.page import render_page

    return render_page(
        "fitted.html.j2",
        None,
        fitted_figures(found) if found.models else [],
        question="How often it fails",
        source=Path(found.trace.source).name,
        headings=HEADINGS,
        rows=fitted_rows(found),
        lines=fitted_lines(found),
    )


@unchecked()
def write_fitted_report(found: Analysis, path: str | Path) -> None:
    """Write the page; it appears whole or not at all."""
    from cprmodel.facts.files import write_whole

    write_whole(path, render_fitted(found))
