"""A fitted failure model in a file, as ``cprmodel fit --json`` prints it and a job names it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import ConfigDict, Field, ValidationInfo, model_validator
from pydantic_core import PydanticCustomError

from cprmodel.facts.laws import law_mean_s, power_law_mtbf_s
from cprmodel.facts.units import format_time
from cprmodel.formulas.failures import mtbf_from_nodes
from cprmodel.jobs.files import read_named_json
from cprmodel.jobs.quantities import Count, Number, Positive, Section, Share, wrong

__all__ = ["FailureModel", "read_failure_model"]

_NO_FAILURE = "a fit with at least one failure: with none the MTBF is known to be at least {low} (95% bound)"


class AgeBand(Section):
    """Failures of units between two ages."""

    may_be_zero: ClassVar[frozenset[str]] = frozenset({"from_s"})
    may_be_long: ClassVar[frozenset[str]] = frozenset({"exposure_s"})

    from_s: float = Field(description="age from which on")
    to_s: float = Field(description="age until which")
    events: Count = Field(description="failures in it")
    exposure_s: float = Field(description="time that units were watched in it")


class PowerLaw(Section):
    """A rate that changes with calendar time: failures by t are in proportion to t to the power of the shape."""

    model_config = ConfigDict(extra="ignore")

    shape: Positive = Field(description="above 1: more and more frequent")
    events: Count = Field(description="failures in the window")
    window_s: float = Field(description="length of the observation")

    def mtbf_s(self, at_s: float) -> float:
        """Reciprocal of the rate at a time since the beginning of the observation [s]."""
        return power_law_mtbf_s(self.window_s, self.events, self.shape, at_s)


class FailureModel(Section):
    """What a trace says of how often the job fails, and how sure it is.

    >>> FailureModel(events=10, exposure_s=864000.0).mtbf_s
    86400.0
    """

    model_config = ConfigDict(extra="ignore")
    may_be_long: ClassVar[frozenset[str]] = frozenset({"exposure_s", "scale_s"})

    source: str = Field("", description="name of the trace")
    events: Count = Field(description="failures that were seen")
    exposure_s: float = Field(description="time under observation")
    weibull_shape: Positive | None = Field(None, description="shape of the Weibull fit; below 1: bursts")
    law: Literal["exponential", "weibull", "gamma", "lognormal"] = Field("exponential", description="best fit")
    shape: Positive | None = Field(None, description="its shape (σ of a lognormal)")
    scale_s: float | None = Field(None, description="its scale")
    aic_ahead: Number | None = Field(None, description="how far the exponential law's AIC is above the best fit's")
    servers: Count | None = Field(None, description="servers that the log is of; none: one, or not known")
    trend_p_value: Share | None = Field(None, description="how improbable without a steady trend of the rate")
    change_p_value: Share | None = Field(None, description="how improbable without any change of the rate")
    read_as: str = Field("", description="how the log was understood")
    scatter: Positive | None = Field(None, description="of durations of their own, some cut short: seen CV²")
    ages: tuple[AgeBand, ...] | None = Field(None, description="failures by the age of a unit")
    power_law: PowerLaw | None = Field(None, description="of one job over calendar time")

    @property
    def mtbf_s(self) -> float:
        """Time under observation over the failures in it [s]."""
        return self.exposure_s / self.events

    def of_nodes(self, nodes: int) -> FailureModel:
        """Of a job of so many nodes like those that were watched: rates add.

        As many failures were seen in a time that is shorter by the factor. The failures of other numbers of nodes
        are taken to have no memory.

        >>> FailureModel(events=10, exposure_s=864000.0).of_nodes(10).mtbf_s
        8640.0
        """
        watched = self.servers or 1
        if nodes == watched:
            return self
        exposure = float(mtbf_from_nodes.raw(self.exposure_s * watched, nodes))
        law = {"law": "exponential", "shape": None, "scale_s": None, "aic_ahead": None}
        return self.model_copy(update={"exposure_s": exposure, "servers": nodes, **law})

    @property
    def law_mean_s(self) -> float | None:
        """Mean of the best law, where the file says its shape and scale."""
        if self.scale_s is None:
            return None
        return law_mean_s(self.law, self.shape, self.scale_s)

    def at_age(self, age_s: float) -> FailureModel:
        """Of units of that age: failures and time watched in its band."""
        band = next(one for one in self.ages or () if one.from_s <= age_s <= one.to_s)
        law = {"law": "exponential", "shape": None, "scale_s": None, "aic_ahead": None, "weibull_shape": None}
        law["scatter"] = None
        only = {"events": band.events, "exposure_s": band.exposure_s, "ages": None, "power_law": None}
        return self.model_copy(update={**law, **only})

    def at_time(self, at_s: float) -> FailureModel:
        """At a time since the beginning of the observation, by the power law.

        As many failures are counted as would tell as much of the rate then, 1/(1 + (1 + c log(x/T_F))²) of those
        seen [derived, to first order: the scatter of the rate's logarithm].
        """
        law = self.power_law
        assert law is not None
        worth = max(1, round(law.events / (1 + (1 + law.shape * math.log(at_s / law.window_s)) ** 2)))
        plain = {"law": "exponential", "shape": None, "scale_s": None, "aic_ahead": None, "weibull_shape": None}
        plain["scatter"] = None
        known = {"events": worth, "exposure_s": worth * law.mtbf_s(at_s), "ages": None, "power_law": None}
        return self.model_copy(update={**plain, **known, "trend_p_value": None, "change_p_value": None})

    @model_validator(mode="after")
    def _law_is_whole(self) -> FailureModel:
        if self.law != "exponential" and (self.shape is None or self.scale_s is None):
            raise wrong("law", self.law, "its shape and scale beside it")
        return self


def read_failure_model(value: Any, info: ValidationInfo) -> Any:
    """From the path of a fit, or what ``cprmodel fit --json`` printed, or a model as this package dumps it."""
    data = read_named_json(value, info, "a fit", "cprmodel fit --json", lambda found: "models" in found)
    if not isinstance(data, Mapping) or "models" not in data:
        return data
    shown = value if isinstance(value, str) else ""
    try:
        if data["events"] == 0:
            low = format_time(float(data["mtbf_ci90_s"][0]))
            raise wrong("", shown, _NO_FAILURE.format(low=low))
        models = {one["name"]: one for one in data["models"]}
        best = models.get(data["best"], {})
        trend = data.get("trend") or {}
        return {
            "source": data.get("source", ""),
            "read_as": "; ".join((data.get("reading") or {}).get("words", ())),
            "events": data["events"],
            "exposure_s": data["exposure_s"],
            "weibull_shape": models.get("weibull", {}).get("shape"),
            "law": best.get("name", "exponential"),
            "shape": best.get("shape"),
            "scale_s": best.get("scale_s"),
            "aic_ahead": _ahead(best, models.get("exponential", {})),
            "servers": data.get("servers"),
            "scatter": data.get("scatter"),
            "trend_p_value": trend.get("p_value"),
            "change_p_value": trend.get("change_p_value"),
            "ages": tuple(ages["bands"]) if (ages := data.get("ages")) else None,
            "power_law": data.get("power_law"),
        }
    except PydanticCustomError:
        raise
    except (KeyError, TypeError, AttributeError, IndexError, ValueError):
        raise wrong("", shown, "a JSON file that cprmodel fit --json wrote") from None


def _ahead(best: Mapping[str, Any], exponential: Mapping[str, Any]) -> float | None:
    """How far the exponential law's AIC is above the best fit's; None where the file does not say."""
    return exponential["aic"] - best["aic"] if "aic" in best and "aic" in exponential else None
