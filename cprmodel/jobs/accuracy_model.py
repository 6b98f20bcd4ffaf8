"""An accuracy model in a file, as ``cprmodel accuracy --out`` writes it and a job names it."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, get_args

import numpy as np
from pydantic import ConfigDict, Field, ValidationInfo, model_validator

from cprmodel.jobs.files import read_named_json
from cprmodel.jobs.quantities import Count, Number, Positive, Section, wrong

__all__ = ["METRICS", "AccuracyModel", "Metric", "OrderSlope", "read_accuracy_model"]

#: What a harm record predicts.
Metric = Literal["auc", "log loss"]
METRICS = get_args(Metric)


_Error = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class OrderSlope(Section):
    """What a lost update costs under one order of saving, at some intervals between full saves."""

    interval_shares: Annotated[tuple[Positive, ...], Field(min_length=1)] = Field(
        description="full-save intervals as shares of the run, ascending"
    )
    metric_drop_per_pls: tuple[Positive, ...] = Field(description="metric lost per unit of PLS at each")
    standard_error: tuple[_Error, ...] = Field(description="of the plays that it comes from")
    updates_lost: tuple[Positive, ...] = Field(description="updates lost at each, over those that MFU loses")

    @model_validator(mode="after")
    def _as_many(self) -> OrderSlope:
        many, ascending = len(self.interval_shares), sorted(set(self.interval_shares))
        if list(self.interval_shares) != ascending:
            raise wrong("interval_shares", list(self.interval_shares), "ascending numbers")
        for name in ("metric_drop_per_pls", "standard_error", "updates_lost"):
            if len(getattr(self, name)) != many:
                raise wrong(name, len(getattr(self, name)), f"as many numbers as interval_shares ({many})")
        return self

    def slope_at(self, share: float) -> float:
        """Metric lost per unit of PLS, along lines in the logarithm of the interval; held outside.

        >>> shares, slopes = (0.01, 1.0), (0.2, 0.4)
        >>> one = OrderSlope(
        ...     interval_shares=shares, metric_drop_per_pls=slopes, standard_error=(0, 0), updates_lost=(1, 1.2)
        ... )
        >>> round(one.slope_at(0.1), 3), one.slope_at(2.0)
        (0.3, 0.4)
        """
        return self._at(self.metric_drop_per_pls, share)

    def updates_at(self, share: float) -> float:
        """Updates lost over those that MFU loses."""
        return self._at(self.updates_lost, share)

    def _at(self, values: tuple[float, ...], share: float) -> float:
        return float(np.interp(math.log(share), np.log(self.interval_shares), values))


class AccuracyModel(Section):
    """What a record of paired training runs says of the metric lost per unit of PLS."""

    model_config = ConfigDict(extra="ignore")

    schema_version: Literal[1] = 1
    kind: Literal["accuracy model"]
    metric: str = Field("metric", description="name of the metric")
    metric_drop_per_pls: Number = Field(description="metric lost per unit of PLS")
    interval_90: tuple[Number, Number] | None = Field(None, description="its 90% interval; none: one seed")
    linear_to_pls: Positive | None = Field(None, description="the line holds within 10% up to here; none: unknown")
    runs: Count = Field(description="runs in the record")
    seeds: Count = Field(description="seeds in the record")
    record: str = Field("", description="name of the record")
    largest_age: Positive | None = Field(
        None,
        description="largest age that a harm record looked at, as a share of its run; none: not of such a record",
    )
    orders: dict[str, OrderSlope] | None = Field(
        None, description="slopes of orders of saving, of a harm record and a share of the rows in a save"
    )
    notes: tuple[str, ...] = Field((), description="what whoever plans with it should know")

    @model_validator(mode="after")
    def _can_be_used(self) -> AccuracyModel:
        slope, interval = self.metric_drop_per_pls, self.interval_90
        if not slope > 0:
            expected = "a slope greater than 0 (by this record lost samples cost no accuracy, which sets no budget)"
            raise wrong("metric_drop_per_pls", slope, expected)
        if interval is not None and not interval[0] <= slope <= interval[1]:
            raise wrong("interval_90", list(interval), f"an interval that holds metric_drop_per_pls ({slope:g})")
        return self


def read_accuracy_model(value: Any, info: ValidationInfo) -> Any:
    """What the file of that name holds."""
    return read_named_json(
        value,
        info,
        "an accuracy model",
        "cprmodel accuracy --out",
        lambda data: data.get("kind") == "accuracy model",
    )
