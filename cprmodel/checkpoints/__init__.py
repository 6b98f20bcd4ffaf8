"""Checkpoints that are complete or absent: files with checksums, made complete by a manifest."""
