"""The rows of embedding tables (or shards): sizes, update rates, and where a job file says them."""

from __future__ import annotations

from cprmodel.rows.access import classes_of
from cprmodel.rows.counts import read_counts
from cprmodel.rows.rows import Classes, Floats, Rows, rows_of, zipf_rows, zipf_weights

__all__ = ["Classes", "Floats", "Rows", "classes_of", "read_counts", "rows_of", "zipf_rows", "zipf_weights"]
