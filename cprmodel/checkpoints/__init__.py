"""Checkpoints that are complete or absent: files with checksums, made complete by a manifest.

Partial checkpoints of embedding tables (:class:`PartialCheckpoints`) need torch, safetensors, and fsspec for URLs:
``pip install cprmodel[partial]``.
"""

from cprmodel.facts.lazy import loaded_when_used

__all__ = [
    "Loaded",
    "NothingWhole",
    "PartialCheckpoints",
    "SaveFailed",
    "Saved",
    "Saving",
    "Table",
    "read_tables",
]

__getattr__ = loaded_when_used(
    __name__,
    {
        "Loaded": "cprmodel.checkpoints.reading",
        "NothingWhole": "cprmodel.checkpoints.reading",
        "PartialCheckpoints": "cprmodel.checkpoints.partial",
        "SaveFailed": "cprmodel.checkpoints.saving",
        "Saved": "cprmodel.checkpoints.saving",
        "Saving": "cprmodel.checkpoints.background",
        "Table": "cprmodel.checkpoints.tables",
        "read_tables": "cprmodel.checkpoints.reading",
    },
)
