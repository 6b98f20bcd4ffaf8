"""What a page shows, and the job that Python makes of it."""

from __future__ import annotations

from typing import Any

from cprmodel import Job

__all__ = ["inputs_of", "job_of", "rows_of", "type_into"]


def inputs_of(page: Any) -> dict[str, float | None]:
    """The values that the controls show, by key; None where one is off."""
    found: dict[str, str | None] = page.evaluate(
        "Object.fromEntries([...document.querySelectorAll('[id^=field-]')]"
        ".map((one) => [one.id.slice(6), one.dataset.value ?? null]))"
    )
    return {key: None if value is None else float(value) for key, value in found.items()}


def rows_of(page: Any) -> dict[str, dict[str, tuple[str, str]]]:
    """The table: strategy → quantity → (full value, text)."""
    found: dict[str, dict[str, tuple[str, str]]] = page.evaluate(
        "Object.fromEntries([...document.querySelectorAll('#strategies tbody tr')]"
        ".map((row) => [row.dataset.strategy,"
        " Object.fromEntries([...row.querySelectorAll('span[data-key]')]"
        ".map((one) => [one.dataset.key, [one.dataset.value, one.textContent]]))]))"
    )
    return found


def type_into(page: Any, key: str, text: str) -> None:
    """Type a value into a control's field, as a person does."""
    field = page.locator(f"#field-{key}")
    field.fill(text)
    field.press("Enter")


def job_of(shown: dict[str, float | None], base: Job, recovery: str = "full") -> Job:
    """A job with the values shown, read and checked as a job file's."""
    detect_and = {
        name: shown[key]
        for key, name in (
            ("reschedule", "reschedule_s"),
            ("partial-reschedule", "partial_reschedule_s"),
            ("trainer-reschedule", "trainer_reschedule_s"),
            ("partial-load", "partial_load_s"),
            ("load", "load_s"),
            ("save", "save_s"),
        )
        if key in shown
    }
    mapping: dict[str, Any] = {
        "job": {"work_s": shown["work"], "step_s": base.job.step_s, "current_recovery": recovery},
        "failures": {"mtbf_s": shown["mtbf"]},
        "checkpoint": detect_and,
    }
    if shown["interval"] is not None:
        mapping["job"]["current_interval_s"] = shown["interval"]
    if "shards" in shown and shown["shards"] is not None:
        mapping["cluster"] = {"embedding_shards": int(shown["shards"])}
        for kind in ("shard", "trainer", "whole-job"):
            mapping["failures"][f"{kind.replace('-', '_')}_share"] = shown[f"{kind}-share"]
        mapping["failures"]["shards_per_failure"] = base.failure_mix.shards_per_failure
    if shown.get("budget") is not None:
        mapping["accuracy"] = {"pls_budget": shown["budget"]}
        if base.accuracy is not None and base.accuracy.slope is not None:
            mapping["accuracy"]["metric_drop_per_pls"] = base.accuracy.slope
    if base.access is not None:
        mapping["access"] = base.access.model_dump(exclude_none=True)
    return Job.from_mapping(mapping)
