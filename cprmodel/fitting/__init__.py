"""Failure models from traces of real interruptions, accuracy models from records of paired training runs."""

from cprmodel.fitting.accuracy import AccuracyFit, fit_accuracy
from cprmodel.fitting.analysis import Analysis, Drift, analyse, effective_failures, mtbf_interval
from cprmodel.fitting.likelihood import Fit
from cprmodel.fitting.paired import PairedRun, Record, read_record, record_of_runs
from cprmodel.fitting.trace import Trace, read_trace, trace_of_durations, trace_of_log, trace_of_times

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
