"""The trainer process: its loop, its recoveries, its checkpoints."""
