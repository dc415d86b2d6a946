"""What a campaign came to, for people and as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from clients import Settings
from records import Call, longest_gap

SECOND = 1_000_000_000
# A call is late when it took this much longer than its deadline. The library's timer fires on time;
# its thread, the caller's and a dozen other processes share two cores, and a thread that is due may
# wait for several slices of the others before it runs and looks at the clock.
ALLOWANCE = 0.25
# Below these a run has shown nothing.
LEAST_RATE = 20.0
LEAST_OF_A_LANGUAGE = 50


@dataclass(frozen=True)
class Window:
    """One fault: monotonic nanoseconds of its way."""

    kind: str
    detail: str
    # Its injection began, its healing began, it was healed, and an update that was called after
    # that was acknowledged.
    injected: int
    healing: int
    healed: int
    recovered: int


@dataclass(frozen=True)
class Verdict:
    """What `lamport check` said."""

    good: bool
    said: str


@dataclass(frozen=True)
class Toll:
    """What one kind of fault did; seconds."""

    count: int
    # The longest time in which no client had an acknowledged update, from the injection on.
    longest_gap: float
    # From the end of the healing to the first acknowledged update that was called after it.
    longest_recovery: float


@dataclass(frozen=True)
class Report:
    """The figures of a campaign; seconds."""

    seed: int
    duration: float
    deadline: float
    allowance: float
    faults: dict[str, Toll]
    # Updates and reservations, by what their callers were told.
    acknowledged: int
    failed: int
    unknown: int
    # Calls of clients that were killed in them.
    unreturned: int
    reads: int
    # What the calls that were not acknowledged were told.
    errors: dict[str, int]
    by_language: dict[str, int]
    rate: float
    longest_call: float
    overran: int
    latest: list[str]
    verdict: Verdict

    @property
    def invalid(self) -> str | None:
        """Why the run says nothing, or None."""
        if self.rate < LEAST_RATE:
            return f"{self.rate:.1f} acknowledged updates a second; {LEAST_RATE} are the least"
        for language, count in self.by_language.items():
            if count < LEAST_OF_A_LANGUAGE:
                least = f"{LEAST_OF_A_LANGUAGE} are the least"
                return f"{count} acknowledged updates in {language}; {least}"
        return None

    @property
    def broken(self) -> str | None:
        """Which promise was broken, or None."""
        if not self.verdict.good:
            return f"the checker: {self.verdict.said}"
        if self.overran:
            return f"{self.overran} calls overran their deadline: {'; '.join(self.latest)}"
        return None

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "invalid": self.invalid, "broken": self.broken}

    def __str__(self) -> str:
        lines = [
            f"seed {self.seed}, {self.duration:.0f} s",
            "",
            f"{'fault':<20}{'times':>6}{'longest gap':>14}{'recovery':>11}",
        ]
        for kind, toll in sorted(self.faults.items()):
            gap, recovery = f"{toll.longest_gap:.2f} s", f"{toll.longest_recovery:.2f} s"
            lines.append(f"{kind:<20}{toll.count:>6}{gap:>14}{recovery:>11}")
        languages = ", ".join(f"{count} in {name}" for name, count in self.by_language.items())
        errors = ", ".join(f"{count} {kind}" for kind, count in self.errors.items()) or "none"
        lines += [
            "",
            f"updates   {self.acknowledged} acknowledged ({languages}), {self.failed} failed,"
            f" {self.unknown} unknown, {self.unreturned} never returned; {self.reads} reads",
            f"errors    {errors}",
            f"rate      {self.rate:.1f} acknowledged updates a second",
            f"calls     the longest took {self.longest_call:.3f} s; {self.overran} took longer than"
            f" {self.deadline:.1f} s + {self.allowance:.2f} s",
            f"checker   {self.verdict.said}",
        ]
        if self.broken:
            lines.append(f"BROKEN    {self.broken}")
        elif self.invalid:
            lines.append(f"INVALID   {self.invalid}")
        return "\n".join(lines)


def of(
    seed: int,
    settings: Settings,
    began: int,
    ended: int,
    windows: Sequence[Window],
    calls: Sequence[Call],
    pauses: Mapping[str, Sequence[tuple[int, int]]],
    verdict: Verdict,
) -> Report:
    """Adds everything up. `pauses` says when a client itself was stopped."""

    def was_stopped(call: Call) -> bool:
        return any(
            stopped < (call.returned or 0) and call.called < resumed
            for stopped, resumed in pauses.get(call.process, ())
        )

    acknowledged = [call for call in calls if call.is_acknowledged]
    moments = [call.returned for call in acknowledged if call.returned is not None]
    takes = Counter(call.outcome for call in calls if call.operation != "read")
    awake = [call for call in calls if not was_stopped(call)]
    late = [call for call in awake if call.length > (settings.timeout + ALLOWANCE) * SECOND]
    languages = Counter(call.process.partition("-")[0] for call in acknowledged)
    duration = (ended - began) / SECOND
    return Report(
        seed=seed,
        duration=duration,
        deadline=settings.timeout,
        allowance=ALLOWANCE,
        faults=tolls(windows, moments),
        acknowledged=len(acknowledged),
        failed=takes["failed"],
        unknown=takes["unknown"],
        unreturned=takes[None],
        reads=sum(call.operation == "read" and call.outcome == "ok" for call in calls),
        errors=dict(Counter(call.kind for call in calls if call.kind).most_common()),
        by_language={name: languages[name] for name in sorted({language_of(one) for one in calls})},
        rate=len(acknowledged) / duration,
        longest_call=max((call.length for call in awake), default=0) / SECOND,
        overran=len(late),
        latest=[
            f"{call.process} {call.operation} {call.length / SECOND:.3f} s" for call in late[:5]
        ],
        verdict=verdict,
    )


def language_of(call: Call) -> str:
    return call.process.partition("-")[0]


def tolls(windows: Sequence[Window], moments: Sequence[int]) -> dict[str, Toll]:
    found: dict[str, Toll] = {}
    for window in windows:
        gap = longest_gap(moments, window.injected, window.recovered) / SECOND
        recovery = (window.recovered - window.healed) / SECOND
        before = found.get(window.kind, Toll(0, 0.0, 0.0))
        found[window.kind] = Toll(
            before.count + 1,
            max(before.longest_gap, gap),
            max(before.longest_recovery, recovery),
        )
    return found
