"""What a C program is told when its store fails: typed, within the deadline, and it lives on."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from library import Session
from servers import Etcd, Refusal, Relay, Silence

Start = Callable[[], Session]


def status(answer: str) -> str:
    return answer.split(" ", 1)[0]


def test_nobody_listens(session: Start) -> None:
    with Refusal() as address:
        answer = session().ask(f"open etcd://{address}/key api 60000")
    assert status(answer) == "unavailable"
    assert address in answer


def test_a_listener_that_never_answers(session: Start) -> None:
    with Silence() as silence:
        address = silence.uri.split("/")[2]
        answer = session().ask(f"open {silence.uri} api 500")
    assert status(answer) == "timeout"
    assert address in answer


def test_stopped_in_mid_call(session: Start, own_etcd: Etcd) -> None:
    program = session()
    assert program.ask(f"open {own_etcd.uri('/stopped')} api 3000") == "ok 0"
    assert program.ask("update") == "ok 2"
    own_etcd.members[0].stop()
    assert status(program.ask("update")) in {"timeout", "unavailable"}
    own_etcd.members[0].resume()
    # It may have been committed after all: a gap, and never a value given twice.
    values = [int(program.ask("update").removeprefix("ok ")) for _ in range(3)]
    assert sorted(set(values)) == values and values[0] > 2
    assert program.end() == 0


def test_killed_does_not_kill_the_host(session: Start, own_etcd: Etcd) -> None:
    program = session()
    assert program.ask(f"open {own_etcd.uri('/killed')} api 3000") == "ok 0"
    assert program.ask("update") == "ok 2"
    own_etcd.kill()
    # SIGPIPE has its default effect in the program.
    for _ in range(3):
        assert status(program.ask("update")) in {"timeout", "unavailable"}
    assert status(program.ask("now")) == "ok"
    assert program.end() == 0


def test_close_while_a_thread_waits(session: Start, own_etcd: Etcd) -> None:
    program = session()
    # A deadline of a minute: it is the closing that ends the wait.
    assert program.ask(f"open {own_etcd.uri('/closed')} api 60000") == "ok 0"
    own_etcd.members[0].stop()
    assert program.ask("begin") == "ok 0"
    assert program.ask("close") == "ok 0"
    assert status(program.ask("join")) == "closed"
    assert status(program.ask("update")) == "closed"
    assert program.ask("free") == "ok 0"
    assert program.end() == 0


@pytest.mark.parametrize(
    ("record", "found"),
    [
        ("no JSON", "no JSON"),
        ("[]", "[]"),
        ("{}", "{}"),
        ('{"value": "x"}', '"x"'),
        ('{"value": -1}', "-1"),
        ('{"value": 1.5}', "1.5"),
        ('{"value": 9007199254740992}', "9007199254740992"),
    ],
)
def test_a_record_that_cant_be_read_is_left_alone(
    session: Start, etcd: Etcd, record: str, found: str
) -> None:
    # A key has no spaces.
    name = f"record-{record}".replace(" ", "")
    etcd.put(f"/{name}", record)
    program = session()
    assert program.ask(f"open {etcd.uri('/' + name)} api 60000") == "ok 0"
    for verb in ["update", "read"]:
        answer = program.ask(verb)
        assert status(answer) == "corrupt" and found in answer.replace("\\", ""), answer
    assert etcd.get(f"/{name}") == record


def test_a_record_from_far_ahead(session: Start, etcd: Etcd) -> None:
    record = json.dumps({"value": 2**53 - 2, "process_id": "x", "real_timestamp": 1.0})
    program = session()
    assert program.ask(f"open {etcd.uri('/ahead')} api 60000") == "ok 0"
    # A clock that has begun believes no record from so far ahead.
    assert status(program.ask("update")) == "ok"
    etcd.put("/ahead", record)
    assert status(program.ask("update")) == "too_far_ahead"
    assert int(program.ask("now").removeprefix("ok ")) < 10
    assert etcd.get("/ahead") == record


def test_a_watch_tells_what_happens_to_its_record(session: Start, own_etcd: Etcd) -> None:
    program = session()
    assert program.ask(f"open {own_etcd.uri('/watched')} api 3000") == "ok 0"
    assert program.ask("watch 0") == "ok 0"
    assert program.ask("updates 2") == "ok 2 4"
    assert [program.ask("next") for _ in range(2)] == ["updated 2", "updated 4"]

    written = own_etcd.put("/watched", "no JSON")
    kind, revision, until, status_, message = program.ask("next").split(" ", 4)
    assert (kind, revision, until, status_) == ("unreadable", str(written), "0", "corrupt")
    assert "no JSON" in message
    deleted = own_etcd.delete("/watched")
    assert program.ask("next").split(" ")[:4] == ["deleted", str(deleted), "0", "ok"]

    # The connection breaks; what happened before it is mended is told all the same.
    own_etcd.kill()
    kind, _, _, status_, message = program.ask("next").split(" ", 4)
    assert kind == "interrupted" and status_ in {"unavailable", "timeout"} and message
    own_etcd.start()
    old = json.dumps({"value": 6, "process_id": "old", "real_timestamp": 1.0})
    own_etcd.put("/watched", old)
    assert program.ask("next") == "updated 6"
    assert program.end() == 0


def test_a_watch_says_what_it_missed(session: Start, etcd: Etcd) -> None:
    program = session()
    assert program.ask(f"open {etcd.uri('/missed')} api 60000") == "ok 0"
    assert program.ask("updates 3") == "ok 2 4 6"
    newest = etcd.put("/other", "")
    etcd.compact(newest)
    assert program.ask("watch 1") == "ok 0"
    assert program.ask("next").split(" ")[:4] == ["missed", "1", str(newest), "ok"]
    assert program.ask("update") == "ok 8"
    assert program.ask("next") == "updated 8"
    assert program.ask("close") == "ok 0"
    assert status(program.ask("next")) == "closed"
    assert program.end() == 0


def test_a_history_that_the_deadline_cuts_goes_on_where_it_was_cut(
    session: Start, etcd: Etcd
) -> None:
    patient, program = session(), session()
    assert patient.ask(f"open {etcd.uri('/cut')} api 60000") == "ok 0"
    taken = patient.ask("updates 100").split()[1:]
    with Relay(etcd) as relay:
        assert program.ask(f"open {relay.uri('/cut')} api 1000") == "ok 0"
        relay.fall_silent_after(4_000)
        said, unread_from, *newest = program.ask("history 0").split()
    assert said == "ok" and int(unread_from) > 0 and 0 < len(newest) < len(taken)
    said, unread_from, *older = patient.ask(f"history {unread_from}").split()
    assert (said, unread_from) == ("ok", "0") and older + newest == taken
    assert program.end() == patient.end() == 0


def test_processes_that_race(session: Start, etcd: Etcd) -> None:
    programs = [session() for _ in range(4)]
    for number, program in enumerate(programs):
        assert program.ask(f"open {etcd.uri('/race')} p{number} 60000") == "ok 0"
    for program in programs:
        program.tell("updates 100")
    everyones: list[int] = []
    for program in programs:
        values = [int(value) for value in program.hear().split()[1:]]
        assert len(values) == 100 and sorted(set(values)) == values
        everyones += values
    assert len(set(everyones)) == 400


def test_a_legacy_writer_moves_the_record_back(session: Start, etcd: Etcd) -> None:
    program = session()
    assert program.ask(f"open {etcd.uri('/old-writer')} api 60000") == "ok 0"
    before = [int(value) for value in program.ask("updates 5").split()[1:]]
    etcd.put("/old-writer", json.dumps({"value": 1, "process_id": "old", "real_timestamp": 1.0}))
    after = int(program.ask("update").removeprefix("ok "))
    assert after > max(before)
