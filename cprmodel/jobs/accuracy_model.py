"""An accuracy model in a file, as ``cprmodel accuracy --out`` writes it and a job names it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, Field, ValidationInfo, model_validator

from cprmodel.jobs.quantities import Count, Number, Positive, Section, wrong

__all__ = ["AccuracyModel", "read_accuracy_model"]


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
    """What the file of that name holds; its path is relative to the job file, in Python to the working folder."""
    if not isinstance(value, str):
        if value is None or isinstance(value, (AccuracyModel, Mapping)):
            return value
        raise wrong("", value, "the path of an accuracy model, in quotes")
    folder = (info.context or {}).get("folder", ".")
    try:
        data = json.loads((Path(folder) / value).read_bytes().decode("utf-8-sig"))
    except FileNotFoundError:
        raise wrong("", value, "an accuracy model, but there is no such file") from None
    except OSError as error:
        raise wrong("", value, f"a file that can be read ({error.strerror})") from None
    except (ValueError, RecursionError):  # not UTF-8, not JSON, or a path that no file can have
        raise wrong("", value, "a JSON file that cprmodel accuracy --out wrote") from None
    if not isinstance(data, Mapping) or data.get("kind") != "accuracy model":
        raise wrong("", value, "a JSON file that cprmodel accuracy --out wrote")
    return data
