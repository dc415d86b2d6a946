"""The clock in the messages of Celery.

    >>> import lamport_clock.celery
    >>> from lamport_clock import SharedClock
    >>> lamport_clock.celery.install(SharedClock.memory("api"), trust="everybody")
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
from ._clock import Clock, Trust, Trusting
from ._frameworks import needed
from .propagation import inject

with needed("celery", "celery"):
    from celery.signals import before_task_publish, task_prerun

__all__ = ["install", "uninstall"]

_NAME = "lamport_clock"


def install(clock: Clock, trust: Trust = None) -> None:
    """Stamps the messages of all tasks of this process from now on.

    Whose stamps count, `trust` says: "signed", or "everybody" who can write to the broker. Without
    it they count if the clock has a key, and else messages are stamped and nothing more. Installing
    again changes the clock.

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
    """Ends what install() began; without it, it does nothing.

    >>> import lamport_clock.celery
    >>> lamport_clock.celery.uninstall()
    """
    before_task_publish.disconnect(dispatch_uid=_NAME)
    task_prerun.disconnect(dispatch_uid=_NAME)
