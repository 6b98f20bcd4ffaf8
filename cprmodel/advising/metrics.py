"""What an advisor says, as text for Prometheus."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

__all__ = ["prometheus_text"]

#: What each number is; those with True only grow while a job lives.
_KNOWN = {
    "interval_s": ("Work between two saves, as advised.", False),
    "save_s": ("Time for which a save keeps training waiting, as learned.", False),
    "mtbf_s": ("Mean time between failures, as learned.", False),
    "unsaved_s": ("Work that a failure now would take.", False),
    "steps": ("Steps done.", True),
    "due_in_s": ("Time until a save is due.", False),
    "drain_s": ("Time for which a save goes on in the background, as learned.", False),
    "failures": ("Failures that took work.", True),
    "saves": ("Saves that can be read back.", True),
    "void": ("Saves that failed.", True),
    "announced": ("Failures that had been announced and found the work saved.", True),
    "healed": ("Failures for which nobody rolled back.", True),
    "exposure_s": ("Time at risk.", False),  # less, where a gap turns out to be a pause
    "waiting_s": ("Time for which training waited for saves.", True),
    "lost_s": ("Work that failures took.", True),
    "recovering_s": ("Time of recoveries.", True),
    "paused_s": ("Time of pauses.", True),
    "overhead_fraction": ("Saves, lost work and recoveries, as a fraction of useful time.", False),
}
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


def prometheus_text(
    numbers: Mapping[str, float], labels: Mapping[str, str] | None = None, prefix: str = "cprmodel_advisor"
) -> str:
    """:meth:`cprmodel.Advisor.numbers` in Prometheus' text format (version 0.0.4), times in seconds.

    Write it where the node exporter's textfile collector looks, or answer a scrape with it.

    Parameters
    ----------
    numbers : what :meth:`cprmodel.Advisor.numbers` gave
    labels : of every line, such as ``{"job": "dlrm"}``
    prefix : what every name begins with

    Raises
    ------
    ValueError : a prefix or a label's name that Prometheus does not take

    Examples
    --------
    >>> print(prometheus_text({"interval_s": 7695.0, "saves": 3}, {"job": "dlrm"}))
    # HELP cprmodel_advisor_interval_seconds Work between two saves, as advised.
    # TYPE cprmodel_advisor_interval_seconds gauge
    cprmodel_advisor_interval_seconds{job="dlrm"} 7695.0
    # HELP cprmodel_advisor_saves_total Saves that can be read back.
    # TYPE cprmodel_advisor_saves_total counter
    cprmodel_advisor_saves_total{job="dlrm"} 3.0
    <BLANKLINE>
    """
    for name in (prefix, *(labels or ())):
        if not _LABEL.fullmatch(name) or name.startswith("__"):
            raise ValueError(f"prometheus_text: {name!r}: expected letters, digits and underscores")
    shown = ",".join(f'{name}="{_escaped(str(value))}"' for name, value in (labels or {}).items())
    lines = []
    for key, value in numbers.items():
        said, grows = _KNOWN.get(key, ("", False))
        name = f"{prefix}_{re.sub('_s$', '_seconds', key)}{'_total' if grows else ''}"
        if said:
            lines.append(f"# HELP {name} {said}")
        lines.append(f"# TYPE {name} {'counter' if grows else 'gauge'}")
        lines.append(f"{name}{f'{{{shown}}}' if shown else ''} {_number(float(value))}")
    return "\n".join([*lines, ""])


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _number(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return ("+Inf" if value > 0 else "-Inf") if math.isinf(value) else repr(value)
