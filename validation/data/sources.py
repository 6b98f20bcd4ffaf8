"""From a case to its data."""

from __future__ import annotations

from validation.case import Case
from validation.data.batch import Source
from validation.data.tables import num_embeddings_of

__all__ = ["open_source"]


def open_source(case: Case) -> Source:
    """The stream of samples of a case."""
    data = case.data
    if data.source == "synthetic":
        from validation.data.synthetic import Synthetic

        return Synthetic(num_embeddings_of(case), data.batch_size, data.test_samples, data.seed, data.zipf_exponent)
    if data.source == "movielens":
        from validation.data.movielens import MovieLens

        return MovieLens(data.path[0], data.batch_size, data.test_share)
    from validation.data.criteo import Criteo

    return Criteo(
        data.path, num_embeddings_of(case), data.batch_size, data.test_path, data.test_share, data.max_bad_share
    )
