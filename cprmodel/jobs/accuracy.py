"""What a job may lose (``[accuracy]``): a budget of lost samples or of the metric, and what a sample costs."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from cprmodel.jobs.accuracy_model import AccuracyModel, Metric, OrderSlope, read_accuracy_model
from cprmodel.jobs.quantities import Budget, Positive, Section, wrong

__all__ = ["Accuracy"]

_AccuracyModelFile = Annotated[
    AccuracyModel | None, BeforeValidator(read_accuracy_model), WithJsonSchema({"type": "string"})
]


class Accuracy(Section):
    """What may be lost (``[accuracy]``)."""

    pls_budget: Budget | None = Field(None, description="largest expected portion of lost samples")
    max_metric_drop: Positive | None = Field(None, description="or: largest expected drop of the metric")
    metric_drop_per_pls: Positive | None = Field(None, description="metric lost per unit of PLS")
    model: _AccuracyModelFile = Field(
        None, description="or: file that cprmodel accuracy wrote, or a harm record (path relative to the job file)"
    )
    metric: Metric | None = Field(
        None, description="of max_metric_drop, by a harm record: auc (default) or log loss"
    )

    @property
    def slope(self) -> float | None:
        """Metric lost per unit of PLS, given or fitted."""
        return self.metric_drop_per_pls if self.model is None else self.model.metric_drop_per_pls

    def of_order(self, order: str | None) -> OrderSlope | None:
        """What lost updates cost under an order of saving, where that is known apart from the slope of all."""
        known = None if self.model is None else self.model.orders
        return None if known is None or order is None else known.get(order)

    def slope_under(self, order: str | None, share: float) -> float | None:
        """Metric lost per unit of PLS where saves of all rows would take an interval of that share of the job.

        Under an order its own, or the largest of those known, where some are.
        """
        known = None if self.model is None else self.model.orders
        if order is None or not known:
            return self.slope
        some = [known[order]] if order in known else known.values()
        return max(one.slope_at(share) for one in some)

    @model_validator(mode="after")
    def _one_budget(self) -> Accuracy:
        if self.metric_drop_per_pls is not None and self.model is not None:
            slopes = (self.metric_drop_per_pls, self.model.metric_drop_per_pls)
            raise wrong("metric_drop_per_pls and model", slopes, "only one of the two")
        if self.metric is not None and (self.model is None or self.model.metric != self.metric):
            said = (
                "a harm record as model, to predict it"
                if self.model is None
                else f'"{self.model.metric}", as model says'
            )
            raise wrong("metric", self.metric, said)
        drop, slope = self.max_metric_drop, self.slope
        if drop is not None and slope is not None and drop / slope < 1e-12:
            raise wrong("max_metric_drop", drop, f"at least 1e-12 of metric_drop_per_pls ({slope:g})")
        if self.pls_budget is not None and self.max_metric_drop is not None:
            both = (self.pls_budget, self.max_metric_drop)
            raise wrong("pls_budget and max_metric_drop", both, "only one of the two")
        if self.pls_budget is None and self.max_metric_drop is None:
            raise wrong(
                "pls_budget",
                "",
                "either pls_budget, or max_metric_drop with metric_drop_per_pls or model (or no [accuracy])",
            )
        if drop is not None and slope is None:
            expected = "the metric lost per unit of PLS (or a model of it), since max_metric_drop is given"
            raise wrong("metric_drop_per_pls", "", expected)
        return self
