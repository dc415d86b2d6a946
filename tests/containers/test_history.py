"""The judge of the three containers can be trusted: it says no where it should."""

from __future__ import annotations

from history import Reading, Update, complaints, ordered_pairs, updates_of
from namespaces import Line


def update(process: str, value: int, begins: float, ends: float) -> Update:
    return Update(process, value, begins, ends)


GOOD = {
    "a": [update("a", 2, 0, 1), update("a", 5, 4, 5)],
    "b": [update("b", 3, 2, 3), update("b", 7, 6, 7)],
}


def test_a_good_history_has_no_complaints() -> None:
    assert complaints(GOOD, [Reading(3, 3.5, 3.6), Reading(7, 8, 9)]) == []
    assert ordered_pairs(GOOD) == 4


def test_updates_at_the_same_time_may_come_in_either_order() -> None:
    assert complaints({"a": [update("a", 3, 0, 2)], "b": [update("b", 2, 1, 3)]}) == []


def test_a_repeated_value_is_seen() -> None:
    found = complaints({"a": [update("a", 2, 0, 2)], "b": [update("b", 2, 1, 3)]})
    assert found == ["2 was given to a and b"]


def test_a_process_that_goes_back_is_seen() -> None:
    found = complaints({"a": [update("a", 5, 0, 3), update("a", 4, 2, 5)]})
    assert found == ["a went from 5 to 4"]


def test_a_later_update_with_a_smaller_value_is_seen() -> None:
    found = complaints({"a": [update("a", 9, 0, 1)], "b": [update("b", 8, 2, 3)]})
    assert found == ["a's 9 was done 1.000 s before b's 8 began"]


def test_a_read_that_is_behind_or_ahead_is_seen() -> None:
    done = {"a": [update("a", 9, 5, 6)]}
    assert complaints(done, [Reading(8, 6.5, 7)]) == ["a read gave 8 after 9 was done"]
    assert complaints(done, [Reading(9, 3, 4)]) == ["9 began after a read gave 9"]
    assert complaints(done, [Reading(9, 4, 5.5)]) == []


def test_an_update_cannot_have_begun_before_the_sleeps_that_came_first() -> None:
    lines = [Line(10.2, "no update"), Line(10.3, UPDATE.format(2)), Line(12.5, UPDATE.format(5))]
    assert updates_of("a", 10.0, lines) == [
        Update("a", 2, 10.0, 10.3),
        Update("a", 5, 12.0, 12.5),
    ]


UPDATE = "Updated Lamport clock to {}"
