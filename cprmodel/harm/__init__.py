"""What rows put back to an older state cost in the metric: recorded in one run without failures, then predicted."""
