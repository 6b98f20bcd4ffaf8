"""Failure models from traces of real interruptions, accuracy models from records of paired training runs."""

from typing import TYPE_CHECKING

from cprmodel.facts.lazy import loaded_when_used
from cprmodel.fitting.analysis import Analysis, Drift, analyse, effective_failures, mtbf_interval
from cprmodel.fitting.likelihood import Fit
from cprmodel.fitting.trace import Trace, read_trace, trace_of_durations, trace_of_log, trace_of_times

if TYPE_CHECKING:
    from cprmodel.fitting.accuracy import AccuracyFit, fit_accuracy
    from cprmodel.fitting.paired import PairedRun, Record, read_record, record_of_runs

__all__ = [
    "AccuracyFit",
    "Analysis",
    "Drift",
    "Fit",
    "PairedRun",
    "Record",
    "Trace",
    "analyse",
    "effective_failures",
    "fit_accuracy",
    "mtbf_interval",
    "read_record",
    "read_trace",
    "record_of_runs",
    "trace_of_durations",
    "trace_of_log",
    "trace_of_times",
]

_ACCURACY, _PAIRED = "cprmodel.fitting.accuracy", "cprmodel.fitting.paired"

#: A log of failures needs none of what fits a record of training runs.
__getattr__ = loaded_when_used(
    __name__,
    {
        **dict.fromkeys(("AccuracyFit", "fit_accuracy"), _ACCURACY),
        **dict.fromkeys(("PairedRun", "Record", "read_record", "record_of_runs"), _PAIRED),
    },
)
