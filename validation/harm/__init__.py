"""What a lost row costs: predicted from a run without failures, then measured in paired runs of one process."""
