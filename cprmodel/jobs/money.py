"""What nodes, storage and writing cost (``[cost]``)."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from cprmodel.jobs.quantities import Plain, Section, wrong

__all__ = ["BYTES_PER_GB", "HOURS_PER_MONTH", "Money", "check_money"]

_Price = Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False), Plain]

#: A mean Gregorian month, 365.2425 × 24 / 12.
HOURS_PER_MONTH = 730.485

BYTES_PER_GB = 1e9


class Money(Section):
    """Prices, all in one currency."""

    node_hour: _Price = Field(0.0, description="price of one node for an hour")
    storage_gb_month: _Price = Field(0.0, description="price of keeping a gigabyte (1e9 bytes) for a month")
    write_gb: _Price = Field(0.0, description="price of writing a gigabyte")
    currency: str = Field(
        "USD", pattern=r"^[^\s\d](?:[^\x00-\x1f\x7f]{0,10}[^\s])?$", description="what prices are in, for people"
    )

    @model_validator(mode="after")
    def _has_a_price(self) -> Money:
        if not self.currency.isprintable():
            raise wrong("currency", self.currency, "letters that can be printed")
        if not self.node_hour > 0:
            raise wrong("node_hour", self.node_hour, "a price greater than 0: overhead is paid in node-hours")
        return self


def check_money(cost: Money | None, nodes: int | None, size_bytes: float | None) -> None:
    """That what is priced is known."""
    if cost is None:
        return
    if nodes is None:
        expected = "how many nodes are paid: failures.nodes (or scaling.reference_nodes, or shards and trainers)"
        raise wrong("failures.nodes", "", f"{expected}, since cost.node_hour is given")
    for key in ("storage_gb_month", "write_gb"):
        if getattr(cost, key) > 0 and size_bytes is None:
            raise wrong(
                "checkpoint.size", "", f"size with bandwidth in the place of save, since cost.{key} is given"
            )
