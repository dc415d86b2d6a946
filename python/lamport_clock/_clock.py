"""The clock as used by the modules that stamp logs and messages, and the senders that it trusts.
Headers come from outside, so the program has to say whose stamps count."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from . import Stamp
from ._native import Header

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network


class Clock(Protocol):
    """A clock that can stamp: LocalClock, SharedClock, AsyncSharedClock, or one of your own.
    Neither method does I/O.

    Log records that are stamped by one of the three also name their causes.
    """

    def tick(self) -> Stamp:
        """A local event or a send."""

    def receive(self, message: Stamp, /) -> Stamp:
        """A message arrived that carried this stamp."""


Trust: TypeAlias = Literal["signed", "everybody"] | Iterable[str] | None
"""Whose stamps move a clock:

- "signed": those of senders that have the key of this process's clock (LAMPORT_HEADER_KEY_FILE);
- a list of networks and host names, such as ["10.0.0.0/8", "billing"]: those of these peers;
- "everybody": those of all who can send us a message. This is never the default;
- None, the default: as "signed" if the clock has a key, else nobody's. Messages are stamped all the
  same.

A clock that has a key accepts no unsigned stamp, whatever is said here.
"""

_UNSIGNED = Header()


def header_of(clock: Clock) -> Header:
    """How this clock writes stamps into messages, and which received stamps it accepts."""
    header = getattr(clock, "_header", _UNSIGNED)
    return header if isinstance(header, Header) else _UNSIGNED


class Trusting:
    """A clock, and the peers whose stamps it accepts.

    >>> from lamport_clock import SharedClock
    >>> clock = Trusting(SharedClock.memory("api"), ["10.0.0.0/8", "billing"])
    >>> [clock.trusts(peer) for peer in ("10.1.2.3", "Billing", "8.8.8.8", "api.example", None)]
    [True, True, False, False, False]
    >>> Trusting(SharedClock.memory("api"), "signed")
    Traceback (most recent call last):
    ValueError: trust="signed" needs a clock with a key: set LAMPORT_HEADER_KEY_FILE
    """

    def __init__(self, clock: Clock, trust: Trust, *, peers: bool = True) -> None:
        self._clock = clock
        self._header = header_of(clock)
        signed = self._header.signed
        self._everybody = trust == "everybody" or (signed and trust in (None, "signed"))
        self._networks: list[IPv4Network | IPv6Network] = []
        self._names: set[str] = set()
        if trust == "signed" and not signed:
            raise ValueError('trust="signed" needs a clock with a key: set LAMPORT_HEADER_KEY_FILE')
        if isinstance(trust, str):
            if trust not in ("signed", "everybody"):
                raise ValueError(f'trust= is "signed", "everybody" or a list, not {trust!a}')
        elif trust is not None:
            if not peers:
                raise ValueError(
                    'who sent a message can\'t be told here: trust= is "signed" or "everybody"'
                )
            for peer in trust:
                self._add(peer)

    def _add(self, peer: str) -> None:
        import ipaddress

        if "/" not in peer and _address(peer) is None:
            self._names.add(peer.lower())
            return
        try:
            self._networks.append(ipaddress.ip_network(peer))
        except ValueError as error:
            raise ValueError(f"trust= names no network: {error}") from None

    def tick(self) -> Stamp:
        return self._clock.tick()

    def receive(self, message: Stamp) -> Stamp:
        return self._clock.receive(message)

    def trusts(self, peer: str | None) -> bool:
        """Whether the stamps of this peer count. A peer is an address or the name of a host."""
        if self._everybody:
            return True
        if peer is None:
            return False
        address = _address(peer) if self._networks else None
        if address is None:
            return peer.lower() in self._names
        return any(address in network for network in self._networks)


def _address(peer: str) -> IPv4Address | IPv6Address | None:
    """The peer as an IP address; None if it is a name."""
    # Imported only here: it costs more than our whole package, and few programs need it.
    import ipaddress

    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return None
    # A socket that listens for IPv6 reports IPv4 peers as mapped addresses.
    return getattr(address, "ipv4_mapped", None) or address
