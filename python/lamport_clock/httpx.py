"""The clock in the requests of httpx.

    >>> import httpx, lamport_clock.httpx
    >>> from lamport_clock import SharedClock
    >>> client = lamport_clock.httpx.install(
    ...     httpx.Client(), SharedClock.memory("api"), trust=["billing"]
    ... )

From then on client.get(...) sends a stamp. The clock moves past the stamp of the response if the
response comes from a host that `trust` names (lamport_clock.propagation has its values). Each
request that goes out is stamped, also those that follow a redirect or an authentication.
See lamport_clock.propagation for the header, and for what becomes of one that is wrong.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias, TypeVar

from . import _header
from ._clock import Clock, Trust, Trusting
from ._frameworks import needed
from .propagation import inject

with needed("httpx", "httpx"):
    import httpx

__all__ = ["async_hooks", "hooks", "install"]

Hooks: TypeAlias = dict[str, list[Callable[..., Any]]]
Client = TypeVar("Client", httpx.Client, httpx.AsyncClient)


def install(client: Client, clock: Clock, trust: Trust = None) -> Client:
    """Stamps the client's requests, receives the stamps of the responses, and returns the client.

    For httpx.Client and httpx.AsyncClient. The client's other event hooks stay.

        >>> import httpx, lamport_clock.httpx
        >>> from lamport_clock import SharedClock
        >>> clock = SharedClock.memory("api")
        >>> def billing(request):
        ...     print(request.headers["lamport"][:5])
        ...     return httpx.Response(200, headers={"lamport": "41@billing"})
        >>> client = httpx.Client(transport=httpx.MockTransport(billing))
        >>> response = lamport_clock.httpx.install(client, clock, ["billing"]).get("http://billing/")
        1@api
        >>> clock.now()
        42
    """
    ours: Hooks = hooks(clock, trust)
    if isinstance(client, httpx.AsyncClient):
        ours = async_hooks(clock, trust)
    client.event_hooks = {
        # A request is stamped after the other hooks ran. A response is received before they run.
        "request": [*client.event_hooks["request"], *ours["request"]],
        "response": [*ours["response"], *client.event_hooks["response"]],
    }
    return client


def hooks(clock: Clock, trust: Trust = None) -> Hooks:
    """The hooks for httpx.Client(event_hooks=...).

    >>> import httpx, lamport_clock.httpx
    >>> from lamport_clock import SharedClock
    >>> hooks = lamport_clock.httpx.hooks(SharedClock.memory("api"))
    >>> client = httpx.Client(event_hooks=hooks)
    """

    believer = Trusting(clock, trust)

    def request(request: httpx.Request) -> None:
        inject(request.headers, clock)

    def response(response: httpx.Response) -> None:
        values = _header.values(response.headers)
        _header.received(values, believer, response.request.url.host)

    return {"request": [request], "response": [response]}


def async_hooks(clock: Clock, trust: Trust = None) -> Hooks:
    """The hooks for httpx.AsyncClient(event_hooks=...).

    >>> import httpx, lamport_clock.httpx
    >>> from lamport_clock import SharedClock
    >>> hooks = lamport_clock.httpx.async_hooks(SharedClock.memory("api"))
    >>> client = httpx.AsyncClient(event_hooks=hooks)
    """
    sync = hooks(clock, trust)

    def awaited(hook: Callable[..., Any]) -> Callable[..., Awaitable[None]]:
        async def call(message: object) -> None:
            hook(message)

        return call

    return {event: [awaited(hook) for hook in those] for event, those in sync.items()}
