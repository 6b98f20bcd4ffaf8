"""An accuracy model in a file, as ``cprmodel accuracy --out`` writes it and a job names it."""

from __future__ import annotations

from typing import Any, Literal, get_args

from pydantic import ConfigDict, Field, ValidationInfo, model_validator

from cprmodel.jobs.files import read_named_json
from cprmodel.jobs.quantities import Count, Number, Positive, Section, wrong

__all__ = ["METRICS", "AccuracyModel", "Metric", "read_accuracy_model"]

#: What a harm record predicts.
Metric = Literal["auc", "log loss"]
METRICS = get_args(Metric)


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
