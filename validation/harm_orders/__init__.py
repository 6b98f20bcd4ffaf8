"""Orders of saving, compared in the metric: predicted from runs without failures, then trained and put back."""
