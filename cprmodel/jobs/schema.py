"""The JSON schema of a job file: file keys and text with units, as an editor should offer them."""

from __future__ import annotations

from typing import Any

from cprmodel.facts.units import KINDS
from cprmodel.jobs.model import Job
from cprmodel.jobs.quantities import quantity_key

__all__ = ["job_file_schema"]

_PATTERN = r"^\s*[0-9.].*[A-Za-z]\s*$"


def job_file_schema() -> dict[str, Any]:
    """pydantic's schema with each quantity under its file key.

    >>> schema = job_file_schema()
    >>> sorted(schema["$defs"]["Cluster"]["properties"]), schema["$defs"]["Work"]["required"]
    (['embedding_shards', 'experts', 'spares', 'stragglers', 'trainers'], ['work'])
    """
    schema = Job.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    for table in schema["$defs"].values():
        properties = {}
        for field, described in table["properties"].items():
            known = quantity_key(field)
            if known is None:
                properties[field] = described
                continue
            key, kind = known
            text = {"type": "string", "pattern": _PATTERN}
            form: dict[str, Any] = text
            if field == "save_s" and "save_scatter" in table["properties"]:  # P50 and P90
                form = {"anyOf": [text, {"type": "array", "items": text, "minItems": 2, "maxItems": 2}]}
            properties[key] = {**form, "description": f"{described.get('description', '')}: {KINDS[kind][1]}"}
        table["properties"] = properties
        if "required" in table:
            table["required"] = [(quantity_key(field) or (field,))[0] for field in table["required"]]
    return schema
