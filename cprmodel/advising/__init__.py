"""Advice inside a training loop: when to save, learned while the job runs."""

from cprmodel.advising.advisor import Advisor

__all__ = ["Advisor"]
