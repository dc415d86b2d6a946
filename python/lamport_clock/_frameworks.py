"""Modules for a framework import it themselves; this is what they say when it is not there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def needed(framework: str, package: str, module: str | None = None) -> Iterator[None]:
    """Around `import framework`: if that fails, the error says which package brings it.

    Ours is `module`, where that has another name.
    If the framework is there and something that it needs is not, that is the error to show.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != framework:
            raise
        raise ModuleNotFoundError(
            f"lamport_clock.{module or framework} is for programs that use {package}, which is not"
            f" installed: pip install {package}",
            name=framework,
        ) from None
