"""JSON files that a job names, such as a fitted model."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationInfo

from cprmodel.facts.errors import JobError
from cprmodel.facts.files import LARGEST_BYTES, read_bytes
from cprmodel.jobs.quantities import wrong

__all__ = ["read_named_json"]


def read_named_json(
    value: Any, info: ValidationInfo, what: str, written_by: str, is_one: Callable[[Mapping[str, Any]], bool]
) -> Any:
    """What the file of that name holds; its path is relative to the job file, in Python to the working folder.

    What is read already is returned as it is; ``what`` and ``written_by`` name the file and the command that
    writes it in errors.
    """
    if not isinstance(value, str):
        if value is None or isinstance(value, (BaseModel, Mapping)):
            return value
        raise wrong("", value, f"the path of {what}, in quotes")
    folder = (info.context or {}).get("folder", ".")
    try:
        data = json.loads(read_bytes(Path(folder) / value, what, LARGEST_BYTES).decode("utf-8-sig"))
    except JobError as error:
        raise wrong("", value, error.problems[0].expected) from None
    except FileNotFoundError:
        raise wrong("", value, f"{what}, but there is no such file") from None
    except OSError as error:
        raise wrong("", value, f"a file that can be read ({error.strerror})") from None
    except (ValueError, RecursionError):  # not UTF-8, not JSON, or a path that no file can have
        raise wrong("", value, f"a JSON file that {written_by} wrote") from None
    if not isinstance(data, Mapping) or not is_one(data):
        raise wrong("", value, f"a JSON file that {written_by} wrote")
    return data
