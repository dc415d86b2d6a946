"""What came before what, from the logs alone and without any cleverness."""

from __future__ import annotations

import json

Moment = tuple[str, str, int]
"""Process, instance, time."""


def moment(text: str) -> Moment:
    """`42@api;instance=0123` as one."""
    time, _, rest = text.partition("@")
    process, _, instance = rest.partition(";instance=")
    return process, instance, int(time)


class Reference:
    """Every line with those right before it: the line before, and senders."""

    def __init__(self, logs: list[str]) -> None:
        self.before: dict[Moment, list[Moment]] = {}
        self.arrivals: set[Moment] = set()
        for log in logs:
            for line in log.splitlines():
                if not line.startswith("{"):
                    continue
                record = json.loads(line)
                own = moment(f"{record['lamport']};instance={record['lamport_instance']}")
                self.before[own] = [moment(cause) for cause in record["lamport_after"]]
                if any(cause[:2] != own[:2] for cause in self.before[own]):
                    self.arrivals.add(own)

    def steps(self) -> dict[tuple[Moment, Moment], int]:
        """How many arrivals lie between each line and each that came after it."""
        steps: dict[tuple[Moment, Moment], int] = {}
        for line in sorted(self.before, key=lambda line: line[2]):
            steps[line, line] = 0
            cost = 1 if line in self.arrivals else 0
            for cause in self.before[line]:
                for earlier in self.before:
                    if (earlier, cause) in steps:
                        known = steps.get((earlier, line), 1 << 30)
                        steps[earlier, line] = min(known, steps[earlier, cause] + cost)
        return steps
