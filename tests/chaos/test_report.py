"""The figures of a campaign: what makes one broken, and what makes one invalid."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import nemesis
import report
from clients import Settings
from nemesis import FAULTS
from records import Call, Tail, calls_of, longest_gap
from report import SECOND, Report, Verdict, Window

SETTINGS = Settings(timeout=3.0, rest=20)
GOOD = Verdict(True, "all well")


def updates(process: str, count: int, length: int = SECOND // 100) -> list[Call]:
    """That many of one process, spread over ten seconds."""
    begins = [number * 10 * SECOND // count for number in range(count)]
    return [Call(process, "01", "update", at, at + length, "ok") for at in begins]


def reported(
    calls: Sequence[Call],
    verdict: Verdict = GOOD,
    windows: Sequence[Window] = (),
    pauses: Sequence[tuple[int, int]] = (),
) -> Report:
    stops = {"c-0": list(pauses)}
    return report.of(7, SETTINGS, 0, 10 * SECOND, windows, calls, stops, verdict)


def test_a_run_that_did_enough_is_neither_broken_nor_invalid() -> None:
    found = reported([*updates("c-0", 150), *updates("rust-0", 150)])
    assert (found.broken, found.invalid) == (None, None)
    assert found.by_language == {"c": 150, "rust": 150}
    assert found.rate == 30.0


def test_a_run_that_did_too_little_is_invalid() -> None:
    slow = reported(updates("c-0", 150))
    assert slow.invalid is not None and "a second" in slow.invalid
    one_sided = reported([*updates("c-0", 300), *updates("rust-0", 9)])
    assert one_sided.invalid is not None and "rust" in one_sided.invalid
    nobody = reported([*updates("c-0", 300), Call("rust-0", "02", "update", 5)])
    assert nobody.invalid is not None and "rust" in nobody.invalid
    assert "INVALID" in str(slow)


def test_what_the_checker_says_decides() -> None:
    found = reported(updates("c-0", 300), Verdict(False, "7 was handed out twice"))
    assert found.broken == "the checker: 7 was handed out twice"
    assert "BROKEN" in str(found)


def test_a_call_that_overran_its_deadline_breaks_the_run() -> None:
    late = Call("c-0", "01", "update", SECOND, SECOND + int(3.3 * SECOND), "unknown", "timeout")
    calls = [*updates("c-0", 300), late]
    found = reported(calls)
    assert found.overran == 1
    assert found.broken is not None and "c-0 update 3.300 s" in found.broken
    # Unless the process itself was stopped meanwhile.
    assert reported(calls, pauses=[(2 * SECOND, 3 * SECOND)]).broken is None
    assert reported(calls, pauses=[(5 * SECOND, 6 * SECOND)]).broken is not None


def test_gaps_are_counted_from_the_fault_to_the_recovery() -> None:
    calls = [Call("c-0", "01", "update", at * SECOND, at * SECOND, "ok") for at in (1, 2, 5, 6)]
    one = Window("delay", "", 2 * SECOND, 4 * SECOND, 4 * SECOND, 5 * SECOND)
    other = Window("delay", "", 5 * SECOND, 6 * SECOND, 6 * SECOND, 7 * SECOND)
    toll = reported(calls, windows=[one, other]).faults["delay"]
    assert (toll.count, toll.longest_gap, toll.longest_recovery) == (2, 3.0, 1.0)
    assert longest_gap([], 0, 5) == 5


def test_a_call_that_never_returned_is_read_as_such(tmp_path: Path) -> None:
    path = tmp_path / "c-0.jsonl"
    begun = '{"process":"c-0","instance":"01","operation":"update","called":5'
    path.write_text(
        f'{begun}}}\n{begun},"returned":7,"outcome":"ok","first":2,"value":2}}\n'
        + begun.replace("5", "9")
        + "}\n"
    )
    assert calls_of(path) == [
        Call("c-0", "01", "update", 5, 7, "ok"),
        Call("c-0", "01", "update", 9),
    ]


def test_a_line_that_is_not_whole_yet_comes_with_the_next_look(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    tail = Tail(path)
    assert list(tail.lines()) == []
    with path.open("w", buffering=1) as file:
        file.write("one\ntw")
        file.flush()
        assert list(tail.lines()) == ["one\n"]
        file.write("o\n")
        file.flush()
        assert list(tail.lines()) == ["two\n"]


def test_a_seed_replays_its_plan() -> None:
    def first(seed: int) -> list[tuple[str, float, float]]:
        plan = islice(nemesis.plan(seed, list(FAULTS)), 2 * len(FAULTS))
        return [(one.kind, one.hold, one.dice.random()) for one in plan]

    seed = random.randrange(1_000_000)
    assert first(seed) == first(seed)
    assert first(seed) != first(seed + 1)
    assert {kind for kind, _, _ in first(seed)[: len(FAULTS)]} == set(FAULTS)
