"""The error that our modules for frameworks raise if their framework is not installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def needed(framework: str, package: str, module: str | None = None) -> Iterator[None]:
    """Wraps `import framework`: if it is not installed, the error names the package to install.

    `module` is the name of our module, if it is not the framework's name.
    If the framework is installed but lacks a dependency, the original error is raised.
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
