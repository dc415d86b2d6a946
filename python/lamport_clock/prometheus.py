"""The metrics of a clock, for prometheus_client.

    >>> import lamport_clock.prometheus, prometheus_client
    >>> from lamport_clock import SharedClock
    >>> clock = SharedClock.memory("api")
    >>> prometheus_client.REGISTRY.register(lamport_clock.prometheus.Collector(clock))

From then on every scrape shows the values of stats(), without any I/O. The metrics have the same
names and meanings as those of `lamport run --metrics`; deploy/README.md lists them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from . import LamportError, SyncStats
from ._frameworks import needed

with needed("prometheus_client", "prometheus_client", "prometheus"):
    from prometheus_client.core import (
        CounterMetricFamily,
        GaugeMetricFamily,
        HistogramMetricFamily,
        Metric,
    )

__all__ = ["Clock", "Collector"]


class Clock(Protocol):
    """A clock that a Collector can show: a SharedClock or an AsyncSharedClock."""

    @property
    def process(self) -> str:
        """The name of the process."""

    @property
    def location(self) -> str:
        """The member of the store that was asked last."""

    def now(self) -> int:
        """Where the local clock stands."""

    def stats(self) -> SyncStats:
        """The results of its updates in the background."""


class Collector:
    """A collector for a registry of prometheus_client, one for all clocks of a program.

    It keeps the clocks alive. Only updates in the background count, and only those of this process:
    a forked child counts its own.

        >>> from lamport_clock import SharedClock
        >>> from lamport_clock.prometheus import Collector
        >>> from prometheus_client import CollectorRegistry
        >>> registry = CollectorRegistry()
        >>> registry.register(Collector(SharedClock.memory("api")))
        >>> registry.get_sample_value("lamport_updates_total", {"process": "api"})
        0
    """

    def __init__(self, *clocks: Clock) -> None:
        self._clocks = clocks

    def collect(self) -> Iterator[Metric]:
        """The metrics at this moment.

        >>> from lamport_clock import SharedClock
        >>> from lamport_clock.prometheus import Collector
        >>> next(Collector(SharedClock.memory("api")).collect()).samples[0].value
        0
        """
        updates = _counter("updates", "Updates that succeeded.")
        failures = _counter("failures", "Updates that failed, by the kind of error.", "kind")
        seconds = HistogramMetricFamily(
            "lamport_update_seconds", "How long updates took that succeeded.", labels=["process"]
        )
        round_trips = _counter(
            "round_trips",
            "Transactions that the updates took: one each, but for the cases in docs/PROTOCOL.md.",
        )
        folds = _counter("folds", "Folds that this process carried out: see docs/PROTOCOL.md.")
        refused = _counter("refused", "Messages that were refused for lying too far ahead.")
        running = _gauge("running", "1 while updates go on.")
        local = _gauge("local_time", "Where the local clock stands.")
        shared = _gauge(
            "shared_time", "The newest time that this process took from the shared clock."
        )
        distance = _gauge(
            "distance",
            "How far the shared clock was ahead of this process when the newest update reached it.",
        )
        since = _gauge("since_update_seconds", "How long ago an update succeeded last.")
        member = _gauge("member", "1 for the member of the store that updates go to.", "member")
        for clock in self._clocks:
            process, stats = clock.process, clock.stats()
            updates.add_metric([process], stats.updates)
            # Each kind is there from the start, so that its first failure shows as an increase.
            kinds = dict.fromkeys((error.kind for error in LamportError.__subclasses__()), 0)
            for kind, count in (kinds | stats.failures_by_kind).items():
                failures.add_metric([process, kind], count)
            buckets = [(str(bound), count) for bound, count in stats.updates_within.items()]
            buckets.append(("+Inf", stats.updates))
            seconds.add_metric([process], buckets, stats.update_time)
            round_trips.add_metric([process], stats.round_trips)
            folds.add_metric([process], stats.folds)
            refused.add_metric([process], stats.refused)
            running.add_metric([process], int(stats.running))
            local.add_metric([process], clock.now())
            if stats.last_value is not None:
                shared.add_metric([process], stats.last_value)
            if stats.distance is not None:
                distance.add_metric([process], stats.distance)
            if stats.since_update is not None:
                since.add_metric([process], stats.since_update)
            member.add_metric([process, clock.location], 1)
        yield from (updates, failures, seconds, round_trips, folds, refused)
        yield from (running, local, shared, distance, since, member)


def _counter(name: str, says: str, *labels: str) -> CounterMetricFamily:
    return CounterMetricFamily(f"lamport_{name}", says, labels=["process", *labels])


def _gauge(name: str, says: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"lamport_{name}", says, labels=["process", *labels])
