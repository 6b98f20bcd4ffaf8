"""What logs say: from a file of any usual form to times between interruptions, and how it was understood."""

from cprmodel.logs.read import FORMATS, read_goodput, read_log
from cprmodel.logs.reading import PLAIN, Downtimes, LogOptions, LogReading, at_moments, from_durations
from cprmodel.logs.training import Goodput, TrainingLog

__all__ = [
    "FORMATS",
    "PLAIN",
    "Downtimes",
    "Goodput",
    "LogOptions",
    "LogReading",
    "TrainingLog",
    "at_moments",
    "from_durations",
    "read_goodput",
    "read_log",
]
