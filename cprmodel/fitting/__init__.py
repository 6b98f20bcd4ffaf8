"""Failure models from traces of real interruptions."""

from cprmodel.fitting.analysis import Analysis, Drift, analyse
from cprmodel.fitting.likelihood import Fit
from cprmodel.fitting.readers import TraceOptions, read_trace
from cprmodel.fitting.trace import Trace, trace_of_durations, trace_of_times

__all__ = [
    "Analysis",
    "Drift",
    "Fit",
    "Trace",
    "TraceOptions",
    "analyse",
    "read_trace",
    "trace_of_durations",
    "trace_of_times",
]
