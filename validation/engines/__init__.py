"""What a run's processes are started with: this machine's own, or actors of Ray on several."""
