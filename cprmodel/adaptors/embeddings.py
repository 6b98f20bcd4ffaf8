"""The embedding tables of a plain PyTorch model, for partial checkpoints: their rows, and which a step updates."""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping, Sequence
from typing import Any

import torch
from torch import nn

from cprmodel.checkpoints import Table
from cprmodel.facts.errors import DomainError

__all__ = ["embedding_tables", "tables_below"]

#: What each optimizer must not do for the rows that a batch does not touch to stay as they are.
_STILL = {"SGD": ("momentum", "weight_decay"), "Adagrad": ("weight_decay",), "SparseAdam": (), "RowWiseAdagrad": ()}


def embedding_tables(
    model: nn.Module, optimizer: torch.optim.Optimizer | Sequence[torch.optim.Optimizer] = ()
) -> list[Table]:
    """The tables of all ``EmbeddingBag`` and ``Embedding`` modules in a model that are trained.

    From now on, each forward pass with gradients tells the table's tracker which rows the step will update. Modules
    of torchrec's ``EmbeddingBagCollection`` are among them where it is not sharded
    (:func:`cprmodel.adaptors.torchrec.embedding_tables` takes those too).

    Parameters
    ----------
    model : with its tables whole, in one process
    optimizer : which trains them, or several; left out: their state is not saved

    Raises
    ------
    DomainError : where rows change that no id names, and a delta would miss them: under dense Adam, momentum or
        weight decay, and where other ranks' batches change them (DistributedDataParallel)

    Examples
    --------
    >>> model = nn.ModuleDict({"users": nn.EmbeddingBag(1000, 16), "top": nn.Linear(16, 1)})
    >>> optimizer = torch.optim.Adagrad(model.parameters())
    >>> (users,) = embedding_tables(model, optimizer)
    >>> users.name, users.rows, sorted(users.arrays())
    ('users.weight', 1000, ['sum', 'weight'])
    """
    found = tables_below("", model, optimizer)
    if not found:
        raise DomainError(
            "embedding_tables: expected a model with EmbeddingBag or Embedding modules that are trained"
        )
    return found


def tables_below(
    prefix: str, model: nn.Module, optimizer: torch.optim.Optimizer | Sequence[torch.optim.Optimizer]
) -> list[Table]:
    """Those of a part of a model, by their names in the whole."""
    optimizers = [optimizer] if isinstance(optimizer, torch.optim.Optimizer) else list(optimizer)
    found: dict[int, Table] = {}
    for path, module in model.named_modules(prefix=prefix):
        if isinstance(module, nn.parallel.DistributedDataParallel):
            raise DomainError(
                f"embedding_tables: {path or 'model'}: other ranks' batches change its rows too: expected tables "
                "that one process trains alone, or torchrec's sharded ones"
            )
        if isinstance(module, nn.EmbeddingBag | nn.Embedding) and module.weight.requires_grad:
            weight = module.weight
            if id(weight) not in found:  # tied tables are one
                name = f"{path}.weight" if path else "weight"
                found[id(weight)] = Table(name, weight, _state_of(weight, optimizers, name))
            _listen(module, found[id(weight)])
    return list(found.values())


def _state_of(
    weight: torch.Tensor, optimizers: Iterable[torch.optim.Optimizer], name: str
) -> MutableMapping[str, Any]:
    """The live state of the optimizer that trains these rows; DomainError where it changes others too."""
    within = getattr(weight, "_in_backward_optimizers", ())
    given = list(optimizers)
    for one in (*given, *within):
        for group in one.param_groups:
            if any(parameter is weight for parameter in group["params"]):
                _check(one, group, name, weight.dtype)
                state: MutableMapping[str, Any] = one.state[weight]
                return state
    if given:
        raise DomainError(f"embedding_tables: {name}: expected the optimizer that trains it among those given")
    return {}


def _check(optimizer: torch.optim.Optimizer, group: dict[str, Any], name: str, dtype: torch.dtype) -> None:
    kind = type(optimizer).__name__
    moving = [option for option in _STILL.get(kind, ()) if group.get(option)]
    if "Adagrad" in kind and not torch.tensor(group["eps"], dtype=dtype):  # rows without a gradient: 0/0
        moving.append(f"eps = {group['eps']:g}, which is 0 in {dtype},")
    if kind not in _STILL or moving:
        how = " and ".join(moving)
        raise DomainError(
            f"embedding_tables: {name}: {kind}{f' with {how}' if how else ''} may change rows that a batch does "
            "not touch, and deltas would miss them: expected SparseAdam, or Adagrad or SGD without momentum and "
            "weight decay (save the table with the dense parameters otherwise)"
        )


def _listen(module: nn.Module, table: Table) -> None:
    renormed = getattr(module, "max_norm", None) is not None

    def tell(module: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        if torch.is_grad_enabled() or renormed:
            table.record(arguments[0] if arguments else named["input"])

    module.register_forward_pre_hook(tell, with_kwargs=True)
