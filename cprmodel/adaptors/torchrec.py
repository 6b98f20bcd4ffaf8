"""torchrec's embedding tables, sharded or not, for partial checkpoints: a thin layer over their kernels."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import nn

from cprmodel.adaptors.embeddings import tables_below
from cprmodel.checkpoints import Table
from cprmodel.facts.errors import DomainError

__all__ = ["embedding_tables"]


def embedding_tables(
    model: nn.Module, optimizer: torch.optim.Optimizer | Sequence[torch.optim.Optimizer] = ()
) -> list[Table]:
    """The rows that this process holds of all ``EmbeddingBagCollection`` modules in a model.

    From now on, each forward pass with gradients tells the tables' trackers which rows the step will update: in a
    sharded collection those that its own kernels look up, after the ids of all ranks were exchanged, as they are
    numbered here. Optimizer state is that of the fused kernels; ``optimizer`` trains collections that are not
    sharded (or ``apply_optimizer_in_backward`` does).

    Row-wise, table-wise and column-wise shards are taken, and what is made of them. Tables under
    ``data_parallel`` are left out: they are dense parameters, to be saved with the others.

    Raises
    ------
    DomainError : for kernels whose rows are not all in memory (SSD), and where there is no collection; as
        :func:`cprmodel.adaptors.embeddings.embedding_tables` where rows change that no id names

    Notes
    -----
    Rows are written and read between two steps, by all ranks:
    ``PartialCheckpoints(folder, embedding_tables(model))``. Shards that lie by rows can be read by another number
    of ranks, those that lie by columns by the same.
    """
    try:
        from torchrec import EmbeddingBagCollection
        from torchrec.distributed.embeddingbag import ShardedEmbeddingBagCollection
    except ImportError as error:
        raise DomainError(f"embedding_tables: expected torchrec to be installed ({error})") from None
    found: list[Table] = []
    collections = 0
    for path, module in model.named_modules():
        if isinstance(module, ShardedEmbeddingBagCollection):
            found += _sharded_tables(path, module)
        elif isinstance(module, EmbeddingBagCollection):
            found += tables_below(path, module, optimizer)
        else:
            continue
        collections += 1
    if not collections:
        raise DomainError("embedding_tables: expected a model with an EmbeddingBagCollection, sharded or not")
    return found


def _sharded_tables(path: str, module: Any) -> Iterator[Table]:
    """A table for each shard that this process holds of a collection."""
    for lookup in module._lookups:
        inner = lookup.module if isinstance(lookup, nn.parallel.DistributedDataParallel) else lookup
        for kernel in inner._emb_modules:
            configs = kernel.config.embedding_tables
            if type(kernel).__name__ == "BatchedDenseEmbeddingBag" and configs[0].local_metadata is None:
                continue  # data_parallel
            made = [f"{path}.embedding_bags.{one.name}.weight".lstrip(".") for one in configs]
            states = _states(kernel.emb_module, made)
            tables = [
                _table(name, config, weight, state, kernel.emb_module)
                for name, config, weight, state in zip(
                    made, configs, kernel.emb_module.split_embedding_weights(), states, strict=True
                )
            ]
            _listen(kernel, tables)
            yield from tables


def _states(kernel: Any, names: list[str]) -> list[dict[str, Any]]:
    """What a fused kernel's optimizer keeps for each of its tables, live."""
    try:
        found = kernel.split_optimizer_states()
    except (AttributeError, NotImplementedError):
        kind = type(kernel).__name__
        raise DomainError(
            f"embedding_tables: {names[0]}: expected a kernel that trains its rows in memory (FUSED, FUSED_UVM, "
            f"FUSED_UVM_CACHING), not {kind}"
        ) from None
    each = found or [()] * len(names)
    steps = {"iter": kernel.iter[0]} if hasattr(kernel, "iter") else {}
    return [{**{f"state{number}": one for number, one in enumerate(states, 1)}, **steps} for states in each]


def _table(name: str, config: Any, weight: Any, state: dict[str, Any], kernel: Any) -> Table:
    first_row, first_column = config.local_metadata.shard_offsets

    def loaded() -> None:
        kernel.reset_cache_states()
        if hasattr(kernel, "iter_cpu"):
            kernel.iter_cpu.fill_(int(kernel.iter))

    shape = (config.num_embeddings, config.embedding_dim)
    return Table(name, weight, state, first_row, first_column, shape, kernel.flush, loaded)


def _listen(kernel: Any, tables: list[Table]) -> None:
    """A kernel's ids are those of its tables' features, one after the other; it sets those that are none to 0."""
    features = [config.num_features() for config in kernel.config.embedding_tables]

    def tell(kernel: Any, arguments: tuple[Any, ...], output: Any) -> None:
        if not torch.is_grad_enabled():
            return
        ids, lengths = arguments[0].values(), iter(arguments[0].length_per_key())
        begin = 0
        for table, number in zip(tables, features, strict=True):
            end = begin + sum(itertools.islice(lengths, number))
            if end > begin:
                table.record(ids[begin:end])
            begin = end

    kernel.register_forward_hook(tell)
