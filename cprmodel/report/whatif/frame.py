"""What both pages to play with have: a frame, its style and its scripts, in one file that needs no network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from cprmodel.facts.version import __version__
from cprmodel.jobs import Job
from cprmodel.report.literals import literal
from cprmodel.report.origin import source_name
from cprmodel.report.page import file_of, job_inputs
from cprmodel.report.vega import vega_bundle

__all__ = ["rendered"]

_file = partial(file_of, room=__package__)


def rendered(
    template: str, job: Job, data: Mapping[str, Any], scripts: Sequence[str], about: list[str], **more: Any
) -> str:
    """A page as HTML text: ``data`` become constants before the scripts, ``more`` is the template's own."""
    import jinja2

    constants = (f"const {name} = {literal(value)};" for name, value in data.items())
    loader = jinja2.PackageLoader("cprmodel", "report/whatif")
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    return environment.get_template(template).render(
        title=(job.preset.title if job.preset else source_name()) or "a training job",
        summary=job.preset.summary if job.preset else "",
        style=file_of("theme.css") + _file("style.css"),
        script="\n".join([*constants, *(_file(name) for name in scripts)]),
        vega=vega_bundle(),
        about=about,
        inputs=job_inputs(job),
        version=__version__,
        **more,
    )
