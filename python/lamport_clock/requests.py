"""The clock in the requests of the library requests.

    >>> import requests
    >>> from lamport_clock import SharedClock
    >>> from lamport_clock.requests import install
    >>> session = install(requests.Session(), SharedClock.memory("api"), trust=["billing"])

From then on session.get(...) sends a stamp. The clock moves past the stamp of the response if the
response comes from a host that `trust` names (lamport_clock.propagation has its values). Each
request that goes out is stamped, also those that follow a redirect or an authentication, and those
of adapters that are mounted later. A request that an adapter retries by itself (max_retries) keeps
the stamp of the first attempt.

A session may be copied, and the copy has the same clock. It may be pickled as well, but without its
clock, which belongs to one process. In the other process it sends no stamps until install() gives
it a clock.
See lamport_clock.propagation for the header, and for what becomes of one that is wrong.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from . import _header
from ._clock import Clock, Trust, Trusting
from ._frameworks import needed
from .propagation import inject

with needed("requests", "requests"):
    import requests
    from requests.adapters import BaseAdapter, HTTPAdapter

__all__ = ["LamportAdapter", "install"]


class LamportAdapter(BaseAdapter):
    """Wraps an adapter: stamps its requests, and receives the stamps of their responses.

    For one address alone, or for an adapter of your own. Without an adapter it takes the arguments
    of requests' HTTPAdapter. All other attributes are those of the wrapped adapter:

        >>> import requests
        >>> from lamport_clock import SharedClock
        >>> from lamport_clock.requests import LamportAdapter
        >>> session = requests.Session()
        >>> clock = SharedClock.memory("api")
        >>> session.mount("https://billing/", LamportAdapter(clock, max_retries=3))
        >>> session.get_adapter("https://billing/").max_retries.total
        3

    Raises TypeError if there are arguments for an HTTPAdapter beside an adapter.
    """

    # None after unpickling: a pickle does not contain the clock.
    _clock: Clock | None
    _adapter: BaseAdapter

    def __init__(
        self,
        clock: Clock,
        adapter: BaseAdapter | None = None,
        trust: Trust = None,
        **arguments: Any,  # noqa: ANN401
    ) -> None:
        if adapter is None:
            adapter = HTTPAdapter(**arguments)
        elif arguments:
            raise TypeError(f"give {', '.join(arguments)} to the adapter, which is there already")
        self.__setstate__({"_clock": Trusting(clock, trust), "_adapter": adapter})

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        if name in _OWN:
            raise AttributeError(name)
        return getattr(self._adapter, name)

    def __setattr__(self, name: str, value: object) -> None:
        if name in _OWN:
            super().__setattr__(name, value)
        else:
            setattr(self._adapter, name, value)

    def __getstate__(self) -> dict[str, Any]:
        return {"_clock": None, "_adapter": self._adapter}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    def __copy__(self) -> LamportAdapter:
        return _stamping(self._clock, copy.copy(self._adapter), type(self))

    def __deepcopy__(self, memo: dict[int, Any]) -> LamportAdapter:
        return _stamping(self._clock, copy.deepcopy(self._adapter, memo), type(self))

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
        >>> response = LamportAdapter(clock, Billing(), ["billing"]).send(request)
        >>> request.headers["lamport"][:5], clock.now()
        ('1@api', 42)
        """
        if self._clock is None:
            return self._adapter.send(request, *args, **kwargs)
        inject(request.headers, self._clock)
        response = self._adapter.send(request, *args, **kwargs)
        host = urlsplit(request.url or "").hostname
        _header.received(_header.values(response.headers), self._clock, host)
        # Digest authentication sends its answer by this attribute, so it must name this adapter.
        if getattr(response, "connection", None) is self._adapter:
            response.__dict__["connection"] = self
        return response

    def close(self) -> None:
        """Closes the wrapped adapter.

        >>> from lamport_clock import SharedClock
        >>> from lamport_clock.requests import LamportAdapter
        >>> LamportAdapter(SharedClock.memory("api")).close()
        """
        self._adapter.close()


def install(session: requests.Session, clock: Clock, trust: Trust = None) -> requests.Session:
    """Stamps the session's requests, receives the stamps of the responses, and returns the session.

    The session's adapters still send, also those that are mounted later. A LamportAdapter that has
    a clock keeps it.

        >>> import requests
        >>> from lamport_clock import SharedClock
        >>> from lamport_clock.requests import install
        >>> session = install(requests.Session(), SharedClock.memory("api"), trust=["billing"])
        >>> type(session.get_adapter("https://billing/")).__name__
        'LamportAdapter'
    """
    session.adapters = _Adapters(Trusting(clock, trust), session.adapters.items())
    return session


_OWN = ("_clock", "_adapter")


def _stamping(
    clock: Clock | None, adapter: BaseAdapter, kind: type[LamportAdapter] = LamportAdapter
) -> LamportAdapter:
    made = kind.__new__(kind)
    made.__setstate__({"_clock": clock, "_adapter": adapter})
    return made


class _Adapters(OrderedDict[str, BaseAdapter]):
    """The adapters of a session, by prefix. Each of them stamps."""

    def __init__(
        self, clock: Clock | None = None, adapters: Iterable[tuple[str, BaseAdapter]] = ()
    ) -> None:
        self.clock = clock
        super().__init__(adapters)

    def __setitem__(self, prefix: str, adapter: BaseAdapter) -> None:
        if not isinstance(adapter, LamportAdapter):
            adapter = _stamping(self.clock, adapter)
        elif adapter._clock is None:
            adapter._clock = self.clock
        super().__setitem__(prefix, adapter)

    def copy(self) -> _Adapters:
        return _Adapters(self.clock, self.items())

    __copy__ = copy

    def __deepcopy__(self, memo: dict[int, Any]) -> _Adapters:
        return _Adapters(self.clock, [(at, copy.deepcopy(one, memo)) for at, one in self.items()])

    def __reduce__(self) -> tuple[Any, ...]:
        return _Adapters, (None, list(self.items()))
