"""The clock in the messages of Celery.

    >>> import lamport_clock.celery
    >>> from lamport_clock import SharedClock
    >>> lamport_clock.celery.install(SharedClock.memory("api"))
    >>> lamport_clock.celery.uninstall()

Installed in the process that publishes and in the worker, it gives each task's message a stamp,
and the worker's clock is past it before the task runs. In a worker that forks, each child is an
instance of its own. The result of a task carries no stamp, and a task that is run eagerly has no
message.
See lamport_clock.propagation for the header, and for what becomes of one that is wrong.
"""

from __future__ import annotations

from typing import Any

from . import _header
from ._clock import Clock
from ._frameworks import missing
from .propagation import inject

try:
    from celery.signals import before_task_publish, task_prerun
except ModuleNotFoundError as _error:
    raise missing(_error, "celery", "celery") from None

__all__ = ["install", "uninstall"]

_NAME = "lamport_clock"


def install(clock: Clock) -> None:
    """Stamps the messages of all tasks of this process from now on.

    Installing again changes the clock.

        >>> import lamport_clock.celery
        >>> from lamport_clock import SharedClock
        >>> lamport_clock.celery.install(SharedClock.memory("api"))
        >>> lamport_clock.celery.uninstall()
    """

    def publish(headers: dict[str, Any] | None = None, **_: object) -> None:
        if headers is not None:
            inject(headers, clock)

    def begin(task: Any = None, **_: object) -> None:  # noqa: ANN401
        # Celery makes the headers of a message attributes of the task's request.
        value = getattr(getattr(task, "request", None), _header.HEADER, None)
        _header.arrived(() if value is None else (value,), clock)

    uninstall()
    before_task_publish.connect(publish, weak=False, dispatch_uid=_NAME)
    task_prerun.connect(begin, weak=False, dispatch_uid=_NAME)


def uninstall() -> None:
    """Ends what install() began; without it, it does nothing.

    >>> import lamport_clock.celery
    >>> lamport_clock.celery.uninstall()
    """
    before_task_publish.disconnect(dispatch_uid=_NAME)
    task_prerun.disconnect(dispatch_uid=_NAME)
