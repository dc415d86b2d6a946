"""The clock in the messages of Celery.

    >>> import lamport_clock.celery
    >>> from lamport_clock import SharedClock
    >>> lamport_clock.celery.install(SharedClock.memory("api"), trust="everybody")
    >>> lamport_clock.celery.uninstall()

Install it in the process that publishes and in the worker. Each task's message then carries a
stamp, and the worker's clock moves past that stamp before the task runs. In a worker that forks,
each child is an instance of its own. The result of a task carries no stamp, and a task that is run
eagerly has no message.
See lamport_clock.propagation for the header, and for what becomes of one that is wrong.
"""

from __future__ import annotations

from typing import Any

from . import _header
from ._clock import Clock, Trust, Trusting
from ._frameworks import needed
from .propagation import inject

with needed("celery", "celery"):
    from celery.signals import before_task_publish, task_prerun

__all__ = ["install", "uninstall"]

_NAME = "lamport_clock"


def install(clock: Clock, trust: Trust = None) -> None:
    """Stamps the messages of all tasks of this process from now on.

    `trust` says whose stamps count: "signed", or "everybody" who can write to the broker. Without
    it, signed stamps count if the clock has a key; else no received stamp counts, and messages are
    only stamped. Installing again changes the clock.

        >>> import lamport_clock.celery
        >>> from lamport_clock import SharedClock
        >>> lamport_clock.celery.install(SharedClock.memory("api"), trust="everybody")
        >>> lamport_clock.celery.uninstall()
    """

    believer = Trusting(clock, trust, peers=False)

    def publish(headers: dict[str, Any] | None = None, **_: object) -> None:
        if headers is not None:
            inject(headers, clock)

    def begin(task: Any = None, **_: object) -> None:  # noqa: ANN401
        # Celery makes the headers of a message attributes of the task's request.
        value = getattr(getattr(task, "request", None), _header.HEADER, None)
        _header.arrived(() if value is None else (value,), believer)

    uninstall()
    before_task_publish.connect(publish, weak=False, dispatch_uid=_NAME)
    task_prerun.connect(begin, weak=False, dispatch_uid=_NAME)


def uninstall() -> None:
    """Undoes install(). Does nothing if install() was not called.

    >>> import lamport_clock.celery
    >>> lamport_clock.celery.uninstall()
    """
    before_task_publish.disconnect(dispatch_uid=_NAME)
    task_prerun.disconnect(dispatch_uid=_NAME)
