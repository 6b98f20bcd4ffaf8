"""What logs say: from a file of any usual form to times between interruptions, and how it was understood."""

from cprmodel.logs.read import FORMATS, read_log
from cprmodel.logs.reading import PLAIN, Downtimes, LogOptions, LogReading, at_moments, from_durations

__all__ = ["FORMATS", "PLAIN", "Downtimes", "LogOptions", "LogReading", "at_moments", "from_durations", "read_log"]
