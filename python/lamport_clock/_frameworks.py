"""Modules for a framework import it themselves; this is what they say when it is not there."""

from __future__ import annotations


def missing(
    error: ModuleNotFoundError, framework: str, package: str, module: str | None = None
) -> ModuleNotFoundError:
    """What to raise when `import framework` failed: which package brings it.

    Ours is `module`, where that has another name.
    If the framework is there and something that it needs is not, that is the error to show.
    """
    if (error.name or "").partition(".")[0] != framework:
        return error
    return ModuleNotFoundError(
        f"lamport_clock.{module or framework} is for programs that use {package}, which is not"
        f" installed: pip install {package}",
        name=framework,
    )
