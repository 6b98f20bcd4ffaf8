"""Advice inside a training loop: when to save, learned while the job runs."""

from cprmodel.advising.advisor import Advisor
from cprmodel.advising.metrics import prometheus_text
from cprmodel.advising.notices import on_signals, slurm_time_left_s

__all__ = ["Advisor", "on_signals", "prometheus_text", "slurm_time_left_s"]
