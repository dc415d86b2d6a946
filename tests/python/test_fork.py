"""Fork: a child goes on with its parent's clocks as a process of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from programs import Program, run
from servers import Etcd, Silence

FORKS = Path(__file__).with_name("forks.py")
RACES = FORKS.with_name("fork_races.py")


def outcome(scenario: str, *stores: str, program: Path = FORKS) -> dict[str, Any]:
    """What the program told; it ended well and said nothing else."""
    done = run(str(program), scenario, *stores)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def distinct_and_in_order(everyones: list[list[int]]) -> None:
    for values in everyones:
        assert values == sorted(set(values))
    everything = [value for values in everyones for value in values]
    assert len(set(everything)) == len(everything)


def test_every_verb_works_in_a_child(store: str) -> None:
    told = outcome("verbs", store)
    assert told["child"] > told["before"] and told["after"] > told["before"]
    # Python's own, and the library's: started when it was needed.
    assert told["threads"] == 2


def test_workers_of_a_server_that_connected_first(etcd: Etcd, key: str) -> None:
    told = outcome("prefork", etcd.uri(key))
    instances = [instance for instance, _ in told["all"]]
    assert len(set(instances)) == len(instances) == 9
    distinct_and_in_order([values for _, values in told["all"]])
    assert min(min(values) for _, values in told["all"]) > told["before"]


def test_a_store_in_memory_is_each_childs_own() -> None:
    told = outcome("prefork", "memory:")
    assert len({instance for instance, _ in told["all"]}) == 9
    for _, values in told["all"]:
        assert values == list(range(told["before"] + 2, told["before"] + 52, 2))


def test_fifty_forks_while_updates_are_under_way(etcd: Etcd, key: str) -> None:
    told = outcome("in_flight", etcd.uri(key), program=RACES)
    distinct_and_in_order([*told["all"], told["after"]])
    assert told["after"][0] > max(max(values) for values in told["all"])


def test_a_call_that_nobody_answers_is_under_way(etcd: Etcd, key: str, silence: Silence) -> None:
    with Program(str(RACES), "silence", silence.uri, etcd.uri(key)) as program:
        silence.wait_for_caller()
        program.say("it has called")
        told = json.loads(program.next_line())
        assert program.end() == 0
    assert [len(values) for values in told["all"]] == [3, 3, 1]
    distinct_and_in_order(told["all"])


def test_a_reserved_range_stays_with_the_parent(store: str) -> None:
    told = outcome("reserved", store)
    assert told["handed_out"] == list(range(told["first"], told["first"] + 10))
    assert not set(told["handed_out"]) & set(told["child"])


def test_children_of_children(etcd: Etcd, key: str) -> None:
    told = outcome("nested", etcd.uri(key))
    assert len({instance for instance, *_ in told["all"]}) == 5
    values = [value for _, *values in told["all"] for value in values]
    # Each begins where the one before it stood.
    assert values == sorted(set(values)) and told["after"] > values[-2]


def test_a_grandchild_needs_nothing_of_its_parent(etcd: Etcd, key: str) -> None:
    distinct_and_in_order(outcome("skipped", etcd.uri(key))["all"])


def test_forks_in_the_middle_of_beginnings(etcd: Etcd, key: str) -> None:
    distinct_and_in_order(outcome("beginnings", etcd.uri(key), program=RACES)["all"])


def test_a_handler_that_forks_on_top_of_a_call(silence: Silence) -> None:
    told = outcome("handler", silence.uri, program=RACES)
    assert told["outcomes"] == [["timeout", "closed"], ["None", "closed"]]


def test_pools_of_processes(etcd: Etcd, key: str) -> None:
    distinct_and_in_order(outcome("pools", etcd.uri(key))["all"])


def test_a_closed_clock_stays_closed(store: str) -> None:
    told = outcome("closed", store)
    if not store.startswith("memory"):
        distinct_and_in_order(told["all"])


def test_what_a_child_drops_is_still_the_parents(etcd: Etcd, key: str) -> None:
    told = outcome("drops", etcd.uri(key))
    distinct_and_in_order(told["all"])
    assert told["trips"] <= 3


def test_other_hooks_of_the_fork_use_the_clock(etcd: Etcd, key: str) -> None:
    distinct_and_in_order(outcome("hooks", etcd.uri(key), program=RACES)["all"])


def test_threads_that_fork_at_once_among_clocks_that_come_and_go(etcd: Etcd, key: str) -> None:
    told = outcome("attack", etcd.uri(key), program=RACES)
    distinct_and_in_order(told["all"])
    assert len(told["stamps"]) == 16
    stamps = [
        (tells[i], time)
        for tells in told["stamps"]
        for i in (0, 3, 6)
        for time in tells[i + 1 : i + 3]
    ]
    assert len(set(stamps)) == len(stamps) == 16 * 3 * 2


def test_a_local_clock_goes_on_and_repeats_no_stamp() -> None:
    told = outcome("local")
    stamps = [(instance, time) for instance, *times in told["all"] for time in times]
    assert len(set(stamps)) == len(stamps) == 5 * 40
    assert len({instance for instance, *_ in told["all"]}) == 5
    # Each child from where its parent stood.
    assert all(times[0] == told["stood"] + 1 for _, *times in told["all"][1:])
