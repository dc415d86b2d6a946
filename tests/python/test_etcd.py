"""Clocks on a real etcd: LAMPORT_ETCD names the binary, else PATH."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from backgrounds import until
from lamport_clock import (
    CompactedError,
    CorruptError,
    Holder,
    LamportTimeoutError,
    SharedClock,
    UnavailableError,
)
from programs import Program
from servers import PATIENCE, Etcd, Relay
from verbs import VERBS, WAITING

LATE = "import logical_count; raise SystemExit(logical_count.main(interval=0.01))"


def connect(etcd: Etcd, key: str, node: str = "a", timeout: float | str = "5s") -> SharedClock:
    return SharedClock.connect(etcd.uri(key), node=node, timeout=timeout)


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Etcd]:
    """A single member that the test may do with as it likes."""
    with Etcd(tmp_path, 1) as etcd:
        yield etcd


def update_again(clock: SharedClock) -> int:
    """The value of the first update that succeeds: etcd needs a moment to come back."""
    give_up = time.monotonic() + PATIENCE
    while True:
        try:
            return clock.update().value
        except (LamportTimeoutError, UnavailableError):
            if time.monotonic() > give_up:
                raise


def test_two_clocks_on_one_key_get_2_3_4_5_in_turn(etcd: Etcd, key: str) -> None:
    a, b = connect(etcd, key, "a"), connect(etcd, key, "b")
    assert a.location == b.location == etcd.members[0].address
    assert a.read() is None
    updates = [clock.update() for clock in (a, b, a, b)]
    assert [update.value for update in updates] == [2, 3, 4, 5]
    assert [update.previous for update in updates[:2]] == [None, Holder(2, "a")]
    seen = a.read()
    assert seen is not None
    assert (seen.value, seen.process, seen.instance) == (5, "b", b.instance)
    assert [update.value for update in a.history()] == [2, 3, 4, 5]


def test_the_record_is_the_deployed_one(etcd: Etcd, key: str) -> None:
    update = connect(etcd, key, "mx-nodel2").update()
    text = etcd.get(key)
    assert text is not None
    assert json.loads(text) == {
        "value": 2,
        "process_id": "mx-nodel2",
        "real_timestamp": update.real_timestamp,
    }
    assert abs(update.real_timestamp - time.time()) < 3600


def test_a_clock_alone_and_warm_needs_one_round_trip(etcd: Etcd, key: str) -> None:
    clock = connect(etcd, key)
    assert [clock.update().round_trips for _ in range(5)] == [1] * 5
    # Another writes, and a watch that is read from tells.
    other = connect(etcd, key, "b")
    watch = clock.watch()
    assert next(watch).value if other.update() else None
    assert clock.update().round_trips == 1


def test_three_processes_that_race_never_share_a_value(etcd: Etcd, key: str) -> None:
    script = """
import sys
from lamport_clock import SharedClock
clock = SharedClock.connect(sys.argv[1], node=sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
for _ in range(200):
    print(clock.update().value)
"""
    programs = [Program("-c", script, etcd.uri(key), node) for node in "abc"]
    try:
        for program in programs:
            assert program.next_line() == "ready"
        for program in programs:
            program.say("go")
        for program in programs:
            assert program.end() == 0, program.lines
    finally:
        for program in programs:
            program.kill()
    taken = [[int(line) for line in program.lines[1:]] for program in programs]
    for values in taken:
        assert values == sorted(values)
    everything = [value for values in taken for value in values]
    assert len(set(everything)) == len(everything) == 600
    seen = connect(etcd, key).read()
    assert seen is not None
    assert seen.value == max(everything)


def test_a_thread_pool_of_64_on_one_clock(etcd: Etcd, key: str) -> None:
    clock = connect(etcd, key, timeout="20s")
    with ThreadPoolExecutor(64) as pool:
        values = list(pool.map(lambda _: clock.update().value, range(640)))
    assert len(set(values)) == 640


def test_an_etcd_that_falls_silent_is_a_typed_error_and_no_value(own: Etcd, key: str) -> None:
    clock = connect(own, key, timeout="700ms")
    before = clock.update().value
    own.members[0].stop()
    try:
        with ThreadPoolExecutor(len(WAITING)) as pool:
            for waiting in [pool.submit(VERBS[verb], clock) for verb in WAITING]:
                with pytest.raises((LamportTimeoutError, UnavailableError)):
                    waiting.result(PATIENCE)
    finally:
        own.members[0].resume()
    assert update_again(clock) > before
    assert connect(own, key).update().value > clock.now()


def test_an_etcd_that_dies_is_a_typed_error_until_it_is_back(own: Etcd, key: str) -> None:
    clock = connect(own, key, timeout="700ms")
    before = clock.update().value
    own.kill()
    with pytest.raises((LamportTimeoutError, UnavailableError), match=own.members[0].address):
        clock.update()
    with pytest.raises(ConnectionError):
        connect(own, key)
    own.start()
    assert update_again(clock) > before


def test_three_members_may_lose_one_but_not_two(tmp_path: Path, key: str) -> None:
    with Etcd(tmp_path, 3) as etcd:
        clock = connect(etcd, key, timeout="5s")
        values = [clock.update().value]
        # The one it talks to.
        etcd.members[0].kill()
        values.append(update_again(clock))
        assert clock.location != etcd.members[0].address

        etcd.members[1].kill()
        hurried = connect_later(etcd, key)
        with pytest.raises((LamportTimeoutError, UnavailableError)):
            hurried.update()

        for member in etcd.members[:2]:
            member.start(etcd.members)
        for member in etcd.members[:2]:
            member.wait_until_ready()
        values += [update_again(hurried), update_again(clock)]
        assert values == sorted(set(values))


def connect_later(etcd: Etcd, key: str) -> SharedClock:
    return SharedClock.open(etcd.uri(key), node="b", timeout="1s")


@pytest.mark.parametrize(
    "record",
    [
        "not json",
        "",
        "[]",
        "7",
        '{"process_id": "x", "real_timestamp": 1.5}',
        '{"value": "x", "process_id": "x"}',
        '{"value": -1, "process_id": "x"}',
        '{"value": 1.5, "process_id": "x"}',
        f'{{"value": {2**53}, "process_id": "x"}}',
        f'{{"value": {2**70}, "process_id": "x"}}',
    ],
    ids=range(10),
)
def test_a_record_that_cannot_be_read_is_left_alone(etcd: Etcd, key: str, record: str) -> None:
    etcd.put(key, record)
    clock = connect(etcd, key)
    for call in (clock.update, clock.read, lambda: clock.reserve(2)):
        with pytest.raises(ValueError, match="record") as caught:
            call()
        assert isinstance(caught.value, CorruptError)
    assert etcd.get(key) == record
    assert clock.history().unreadable == 1
    # Mended by hand, it goes on from there.
    etcd.put(key, '{"value": 100, "process_id": "x", "more": true}')
    update = clock.update()
    assert (update.value, update.previous) == (101, Holder(100, "x"))


def test_a_blind_writer_can_move_the_record_back_but_not_our_values(etcd: Etcd, key: str) -> None:
    clock = connect(etcd, key)
    for _ in range(5):
        before = clock.update().value
    etcd.put(key, '{"value": 3, "process_id": "old", "real_timestamp": 1.5}')
    update = clock.update()
    assert update.value > before
    assert update.previous == Holder(before, clock.process)
    assert update.regressed == before
    assert clock.update().regressed is None


def test_a_watch_shows_every_update_by_anyone(etcd: Etcd, key: str) -> None:
    a, b = connect(etcd, key, "a"), connect(etcd, key, "b")
    watch = a.watch()
    values = [clock.update().value for clock in (a, b, b, a)]
    times = b.reserve(5)
    etcd.put(key, '{"value": 90, "process_id": "old"}')
    seen = list(itertools.islice(watch, 6))
    assert [update.value for update in seen] == [*values, times.last, 90]
    assert seen[4].first == times.first
    assert (seen[5].process, seen[5].instance, seen[5].real_timestamp) == ("old", None, None)


def test_a_watch_raises_for_what_it_cannot_show_and_goes_on(etcd: Etcd, key: str) -> None:
    clock = connect(etcd, key)
    watch = clock.watch()
    value = clock.update().value
    garbage = etcd.put(key, "garbage")
    deleted = etcd.delete(key)
    # By somebody else: a clock that knows of what was deleted waits for a repair.
    again = value + 7
    written = etcd.put(key, json.dumps({"value": again, "process_id": "b"}))
    assert next(watch).value == value
    with pytest.raises(CorruptError, match="garbage") as unreadable:
        next(watch)
    assert unreadable.value.revision == garbage
    with pytest.raises(CorruptError, match="deleted") as gone:
        next(watch)
    assert gone.value.revision == deleted
    # As a loop does that is begun again.
    assert [seen.value for seen in itertools.islice(watch, 1)] == [again]
    assert watch.next_revision == written + 1
    assert watch.next_within(0) is None


def test_missed_updates_are_told(own: Etcd, key: str) -> None:
    clock = connect(own, key)
    updates = [clock.update() for _ in range(4)]
    own.compact(updates[2].revision)

    watch = clock.watch(from_revision=updates[0].revision)
    assert watch.next_revision == updates[0].revision
    with pytest.raises(CompactedError, match="missed") as caught:
        next(watch)
    assert isinstance(caught.value, LookupError)
    missed = caught.value.revision, watch.next_revision
    assert missed == (updates[0].revision, updates[2].revision)
    rest = [update.value for update in updates[2:]]
    assert [next(watch).value, next(watch).value] == rest

    history = clock.history()
    assert [update.value for update in history] == rest
    assert history.compacted_before == updates[2].revision


def test_a_history_that_the_deadline_cuts_goes_on_where_it_was_cut(etcd: Etcd, key: str) -> None:
    patient = connect(etcd, key)
    taken = [patient.update().value for _ in range(100)]
    with Relay(etcd) as relay:
        clock = SharedClock.connect(relay.uri(key), node="a", timeout=1)
        relay.fall_silent_after(4_000)
        newest = clock.history(1_000)
    assert newest.unread_from is not None and 0 < len(newest) < len(taken)
    older = patient.history(1_000, from_revision=newest.unread_from)
    assert older.unread_from is None
    assert [update.value for update in (*older, *newest)] == taken


def test_a_watch_resumes_by_itself(own: Etcd, key: str) -> None:
    clock = connect(own, key)
    watch = clock.watch()
    value = clock.update().value
    assert next(watch).value == value
    assert watch.interrupted is None
    own.kill()
    until(lambda: watch.next_within("10ms") is None and watch.interrupted is not None)
    assert isinstance(watch.interrupted, (UnavailableError, LamportTimeoutError))
    own.start()
    value = update_again(connect(own, key, "b"))
    assert next(watch).value == value
    assert watch.interrupted is None


def test_logical_count_may_start_before_its_etcd(own: Etcd, key: str) -> None:
    own.kill()
    variables = {"LAMPORT_STORE": own.uri(key), "NODE_NAME": "a", "LAMPORT_TIMEOUT": "500ms"}
    with Program("-c", LATE, **variables) as program:
        assert program.next_line().startswith("Connection failed (unavailable): ")
        own.start()
        line = program.wait_for("Connected")
        assert line == f"Connected to {own.members[0].address} as a"
        assert program.wait_for("Updated") == "Updated Lamport clock to 2 (before: no record)"
        own.kill()
        assert own.members[0].address in program.wait_for("Update failed (")
        own.start()
        program.wait_for("Updated")
        values = [int(one.split()[4]) for one in program.lines if one.startswith("Updated")]
        assert values == sorted(set(values))


def test_what_others_wrote_is_shown_escaped(etcd: Etcd) -> None:
    forged = "a\x1b[2J\r\nall is well\x9b8m\u202e\u200b"
    hidden = set("\x1b\r\n\x9b\u202e\u200b")
    # A record, a base, a first take that no clock wrote; and one name that a legacy writer has.
    for name, keys in [("record", [""]), ("base", ["/base"]), ("taken", ["/taken"])]:
        key = f"/forged-{name}"
        for part in keys:
            etcd.put(key + part, forged)
        clock = connect(etcd, key)
        with pytest.raises(CorruptError) as caught:
            clock.update()
        for text in (str(caught.value), repr(caught.value)):
            assert "all is well" in text and not hidden & set(text), ascii(text)
        assert etcd.get(key + keys[0]) == forged
    record = {"value": 5, "process_id": forged, "real_timestamp": 1.5}
    etcd.put("/forged-name", json.dumps(record, ensure_ascii=False))
    clock = connect(etcd, "/forged-name")
    seen = clock.read()
    assert seen is not None and seen.process == forged
    update = clock.update()
    assert update.previous == Holder(5, forged)
    for value in (seen, update, update.previous, clock.history()):
        for text in (str(value), repr(value)):
            assert not hidden & set(text), ascii(text)
