"""Names and colours that charts share; no chart is drawn here, so that nothing heavy is loaded."""

from __future__ import annotations

__all__ = ["OVERHEAD", "PART_COLORS", "PART_LABELS", "RECOVERIES", "RECOVERY_COLORS"]

RECOVERIES = ["full", "partial"]
RECOVERY_COLORS = ["#c1440e", "#1f6f8b"]
PART_LABELS = {"save": "saves", "load": "loads", "lost": "lost work", "reschedule": "rescheduling"}
PART_COLORS = ["#1f6f8b", "#99c1b9", "#c1440e", "#f2b880"]
OVERHEAD = "overhead (extra time / useful time)"
