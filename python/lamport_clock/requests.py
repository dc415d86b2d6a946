"""The clock in the requests of the library requests.

    >>> import requests
    >>> from lamport_clock import SharedClock
    >>> from lamport_clock.requests import install
    >>> session = install(requests.Session(), SharedClock.memory("api"))

From then on session.get(...) sends a stamp, and the clock is past that of the response. Each
request that goes out is stamped, also those that follow a redirect. What an adapter sends again by
itself (max_retries) goes out with the stamp of the first time.
See lamport_clock.propagation for the header, and for what becomes of one that is wrong.
"""

from __future__ import annotations

from typing import Any

from ._frameworks import missing
from ._local import LocalClock
from .propagation import extract, inject

try:
    import requests
    from requests.adapters import BaseAdapter, HTTPAdapter
except ModuleNotFoundError as _error:
    raise missing(_error, "requests", "requests") from None

__all__ = ["LamportAdapter", "install"]


class LamportAdapter(BaseAdapter):
    """An adapter that stamps what another one sends, and receives what that one brings.

    For one address alone, or for an adapter of your own:

        >>> import requests
        >>> from lamport_clock import SharedClock
        >>> from lamport_clock.requests import LamportAdapter
        >>> patient = requests.adapters.HTTPAdapter(max_retries=3)
        >>> session = requests.Session()
        >>> session.mount("https://billing/", LamportAdapter(SharedClock.memory("api"), patient))
    """

    def __init__(self, clock: LocalClock, adapter: BaseAdapter | None = None) -> None:
        super().__init__()
        self._clock = clock
        self._adapter = HTTPAdapter() if adapter is None else adapter

    def send(
        self,
        request: requests.PreparedRequest,
        *args: Any,  # noqa: ANN401
        **kwargs: Any,  # noqa: ANN401
    ) -> requests.Response:
        """Sends the request with a stamp, for the session that calls this.

        >>> import requests
        >>> from lamport_clock import SharedClock
        >>> from lamport_clock.requests import LamportAdapter
        >>> class Billing(requests.adapters.BaseAdapter):
        ...     def send(self, request):
        ...         response = requests.Response()
        ...         response.headers["lamport"] = "41@billing"
        ...         return response
        >>> clock = SharedClock.memory("api")
        >>> request = requests.Request("GET", "http://billing/").prepare()
        >>> response = LamportAdapter(clock, Billing()).send(request)
        >>> request.headers["lamport"][:5], clock.now()
        ('1@api', 42)
        """
        inject(request.headers, self._clock)
        response = self._adapter.send(request, *args, **kwargs)
        extract(response.headers, self._clock)
        return response

    def close(self) -> None:
        """Closes the other adapter.

        >>> from lamport_clock import SharedClock
        >>> from lamport_clock.requests import LamportAdapter
        >>> LamportAdapter(SharedClock.memory("api")).close()
        """
        self._adapter.close()


def install(session: requests.Session, clock: LocalClock) -> requests.Session:
    """Gives the session's requests stamps, and receives those of the responses; returns it.

    Whatever adapters it has go on sending.

        >>> import requests
        >>> from lamport_clock import SharedClock
        >>> from lamport_clock.requests import install
        >>> session = install(requests.Session(), SharedClock.memory("api"))
        >>> type(session.get_adapter("https://billing/")).__name__
        'LamportAdapter'
    """
    for prefix, adapter in list(session.adapters.items()):
        if not isinstance(adapter, LamportAdapter):
            session.mount(prefix, LamportAdapter(clock, adapter))
    return session
