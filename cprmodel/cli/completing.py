"""What a shell offers when a word of a command is begun."""

from __future__ import annotations

__all__ = ["job_sources", "policies", "strategies"]


def job_sources(incomplete: str) -> list[str]:
    """Presets where one is begun; else nothing, and the shell offers files.

    >>> job_sources("preset:rsc"), job_sources("jo")
    (['preset:rsc-1', 'preset:rsc-2'], [])
    """
    if not incomplete or not ("preset:".startswith(incomplete) or incomplete.startswith("preset:")):
        return []
    from cprmodel.presets import PREFIX, preset_names

    return [one for name in preset_names() if (one := f"{PREFIX}{name}").startswith(incomplete)]


def strategies(incomplete: str) -> list[str]:
    """Names of strategies that plans have.

    >>> strategies("partial-m")
    ['partial-mfu']
    """
    orders = ("mfu", "ssu", "update-age", "best-fixed", "least-harm")
    names = ("full", "partial", "partial-at-full-interval", "current", "full-rotating")
    return [name for name in (*names, *(f"partial-{order}" for order in orders)) if name.startswith(incomplete)]


def policies(incomplete: str) -> list[str]:
    """Names of policies that ``order`` compares.

    >>> policies("s")
    ['ssu', 'scar']
    """
    names = ("uniform", "round-robin", "mfu", "ssu", "scar", "update-age", "best-fixed")
    return [name for name in names if name.startswith(incomplete)]
