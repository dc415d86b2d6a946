"""What calls give, as values."""

from __future__ import annotations

import copy
import inspect
import pickle
import sys
import time
from html.parser import HTMLParser
from types import FrameType
from typing import Any, get_type_hints

import lamport_clock
import pytest
from lamport_clock import (
    History,
    Holder,
    InvalidArgumentError,
    Observed,
    Reservation,
    SharedClock,
    Stamp,
    SyncStats,
    Update,
)

LAST = 2**53 - 1
HOLDER = Holder(6, "mx-nodel2")
UPDATE = Update(7, "mx-nodel", 255, HOLDER, 1750116944.92, 12, 1)
OBSERVED = Observed(5, 7, "mx-nodel", 255, 1750116944.92, 12)
VALUES: list[Any] = [
    Stamp(42, "mx-nodel"),
    Stamp(LAST, "mx-nodel", 2**64 - 1),
    HOLDER,
    UPDATE,
    Update(7, "mx-nodel", 255, None, 1.5, 12, 3, regressed=9),
    Reservation(5, 7, "mx-nodel", 255, HOLDER, 1.5, 12, 1),
    OBSERVED,
    Observed(7, 7, "a name with spaces", None, None, 12),
    History((OBSERVED,), 3, 1),
    History(()),
]
NAMES = [type(value).__name__ for value in VALUES]


@pytest.mark.parametrize("value", VALUES, ids=NAMES)
def test_a_value_comes_back_from_pickle_copy_and_repr(value: Any) -> None:  # noqa: ANN401
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(value, protocol)) == value
    for again in (copy.copy(value), copy.deepcopy(value), eval(repr(value), vars(lamport_clock))):
        assert again == value
        assert hash(again) == hash(value)
    assert type(value).__module__ == "lamport_clock"


def test_every_value_is_one_line_of_text() -> None:
    assert [str(value) for value in VALUES] == [
        "42@mx-nodel",
        "9007199254740991@mx-nodel",
        "6@mx-nodel2",
        "7@mx-nodel, after 6@mx-nodel2",
        "7@mx-nodel, the first record; the record had gone back from 9",
        "5..7@mx-nodel, after 6@mx-nodel2",
        "5..7@mx-nodel",
        "7@a name with spaces",
        "1 update, 5..7@mx-nodel; what came before revision 3 was compacted; 1 could not be read",
        "no updates",
    ]
    assert str(History((OBSERVED,) * 2)) == "2 updates, from 5..7@mx-nodel through 5..7@mx-nodel"


# What a process of somebody else's, or a server, may be called or say.
HOSTILE = [
    "<script>alert(1)</script>",
    "</td></tr></table><img src=x onerror=alert(1)>",
    '"><svg/onload=alert(1)>',
    "' onmouseover='alert(1)",
    "a&lt;b&#60;c",
    "\x1b[31mred\x1b[0m",
    "two\nlines\r\nor\tmore\0",
    "\u202egnirts\u2066\u2028\u2029",
    "\x85\x9b",
]


class Tables(HTMLParser):
    """What a browser makes of it: the elements, and the text of each cell."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: set[str] = set()
        self.attributes: set[tuple[str, str | None]] = set()
        self.cells: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.attributes.update(attrs)
        self.cells.append("")

    def handle_data(self, data: str) -> None:
        self.cells[-1] += data


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_hostile_name_stays_a_text_in_a_notebook_and_a_line_in_a_log(hostile: str) -> None:
    holder = Holder(6, hostile)
    seen = Observed(7, 7, hostile, 255, 1.5, 12)
    values: list[Any] = [
        holder,
        seen,
        Update(7, "mx-nodel", 255, holder, 1.5, 12, 1),
        Reservation(5, 7, "mx-nodel", 255, holder, 1.5, 12, 1),
        History((seen, seen)),
        SyncStats(
            *(False, None, None, 0, 1, 1, {hostile: 1}, None, None, hostile, hostile, 2),
            *(0, 0, None, 0.0, {}),
        ),
    ]
    plain = "".join(c if c.isprintable() else "?" for c in hostile)
    for value in values:
        line = str(value)
        assert line.isprintable() and repr(value).isprintable()
        tables = Tables(value._repr_html_())
        assert tables.elements <= {"table", "caption", "tr", "th", "td"}
        assert tables.attributes <= {("style", "text-align: left")}
        assert all(cell.isprintable() for cell in tables.cells)
        if plain == hostile:
            assert any(hostile in cell for cell in tables.cells), value
        if plain == hostile and not isinstance(value, SyncStats):
            assert hostile in line


@pytest.mark.parametrize("value", VALUES, ids=NAMES)
def test_every_value_is_a_small_table_in_a_notebook(value: Any) -> None:  # noqa: ANN401
    tables = Tables(value._repr_html_())
    if isinstance(value, History):
        assert tables.cells[1] == str(value)
        assert len(tables.cells) == 3 + 4 + 5 * len(value)
        return
    title, *cells = tables.cells[1:]
    assert title == type(value).__name__
    fields = dict(zip(cells[1::3], cells[2::3], strict=True))
    assert list(fields) == list(value.__match_args__)
    for name, shown in fields.items():
        field = getattr(value, name)
        assert shown == (f"{field:016x}" if name == "instance" and field else str(field)) or (
            name == "instance" and int(shown, 16) == field
        )


def test_a_clock_is_a_small_table_in_a_notebook() -> None:
    process = "<b>&'\""
    clock = SharedClock.memory(process)
    clock.tick()
    cells = Tables(clock._repr_html_()).cells
    for shown in (process, "1", f"{clock.instance:016x}", "memory:"):
        assert shown in cells
    assert "not running: 0 updates, 0 failures" in cells
    assert repr(clock) == f"<SharedClock of {process!r} at 1>"


@pytest.mark.parametrize("value", VALUES, ids=NAMES)
def test_a_value_is_frozen_and_differs_from_others(value: Any) -> None:  # noqa: ANN401
    field = value.__match_args__[0]
    with pytest.raises(AttributeError):
        setattr(value, field, getattr(value, field))
    with pytest.raises(AttributeError):
        delattr(value, field)
    with pytest.raises(AttributeError):
        value.something_else = 1
    assert not hasattr(value, "__dict__")
    for other in VALUES:
        assert (value == other) == (value is other)
        assert (value != other) == (value is not other)
    assert value != "something else"
    assert len({*VALUES, value}) == len(VALUES)


def test_every_field_counts_when_values_are_compared() -> None:
    def changed(value: object) -> object:
        return value + 1 if isinstance(value, int | float) else Holder(1, "other")

    fields = [getattr(UPDATE, name) for name in UPDATE.__match_args__]
    fields[-1] = 3
    whole = Update(*fields)
    for place, name in enumerate(UPDATE.__match_args__):
        other = list(fields)
        other[place] = "other" if name == "process" else changed(other[place])
        assert Update(*other) != whole, name


def test_a_value_is_made_by_position_or_by_name_and_of_nothing_less_or_more() -> None:
    assert Holder(value=6, process="mx-nodel2") == Holder(6, process="mx-nodel2") == HOLDER
    assert History(()) == History((), unreadable=0, compacted_before=None)
    signature = inspect.signature(Reservation)
    assert list(signature.parameters) == [*Reservation.__match_args__]
    assert list(get_type_hints(Reservation)) == [*Reservation.__match_args__]
    assert (
        str(inspect.signature(History))
        == "(updates, compacted_before=None, unreadable=0, unread_from=None)"
    )
    make: Any = Holder
    wrong: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
        ((), {}),
        ((6,), {}),
        ((6, "a", 7), {}),
        ((6, "a"), {"process": "a"}),
        ((6,), {"process": "a", "instance": 7}),
        ((), {"value": 6, "proces": "a"}),
    ]
    for fields, named in wrong:
        with pytest.raises(TypeError, match=r"it is made by Holder\(value, process\)"):
            make(*fields, **named)


def test_a_pickle_holds_the_public_name_and_the_fields_alone() -> None:
    # Made by hand: what other versions wrote is to be read for ever.
    text = b"clamport_clock\nHolder\n(I6\nVmx-nodel2\ntR."
    assert pickle.loads(text) == HOLDER
    assert HOLDER.__reduce__() == (Holder, (6, "mx-nodel2"))


def of_a_clock() -> list[Any]:
    """Every value that a clock makes without a fault of the store, and where it stands."""
    clock = SharedClock.memory("api")
    first, reservation = clock.update(), clock.reserve(3)
    return [first, reservation, clock.update(), clock.read(), clock.history(), clock.stats()]


def test_native_code_fills_the_fields_in_where_they_belong() -> None:
    since = time.time()
    first, reservation, second, newest, history, stats = of_a_clock()
    life, wall_clock = first.instance, [first.real_timestamp, second.real_timestamp]
    assert since <= wall_clock[0] <= wall_clock[1] <= time.time()
    assert first.revision < reservation.revision < second.revision
    assert first == Update(2, "api", life, None, wall_clock[0], first.revision, 1, None)
    assert reservation == Reservation(
        4, 6, "api", life, Holder(2, "api"), reservation.real_timestamp, reservation.revision, 1
    )
    before = Holder(6, "api")
    assert second == Update(8, "api", life, before, wall_clock[1], second.revision, 1)
    assert newest == Observed(8, 8, "api", life, wall_clock[1], second.revision)
    assert history[1] == Observed(
        4, 6, "api", life, reservation.real_timestamp, reservation.revision
    )
    assert history == History((history[0], history[1], newest), None, 0)
    assert stats == SyncStats(
        *(False, None, None, 0, 0, 0, {}, None, None, None, None, 0),
        *(stats.folds, 0, None, 0.0, dict.fromkeys(stats.updates_within, 0)),
    )


def test_native_code_makes_values_without_bytecode() -> None:
    # In which a thread may be stopped for good, on top of native code, where the interpreter ends.
    ran: list[str] = []

    def look(frame: FrameType, event: str, _argument: object) -> None:
        if event == "call" and frame.f_code is not of_a_clock.__code__:
            ran.append(frame.f_code.co_name)

    sys.setprofile(look)
    try:
        of_a_clock()
    finally:
        sys.setprofile(None)
    assert ran == []


def test_values_match_patterns() -> None:
    match UPDATE:
        case Update(value, process, previous=Holder(before, holder)):
            assert (value, process, before, holder) == (7, "mx-nodel", 6, "mx-nodel2")
        case _:
            pytest.fail("it does not match")
    match Stamp.parse("42@mx-nodel"):
        case Stamp(time, process, instance):
            assert (time, process, instance) == (42, "mx-nodel", 0)


def test_an_update_is_a_point_in_the_order() -> None:
    assert UPDATE.stamp == Stamp(7, "mx-nodel", 255)
    assert int(UPDATE) == int(OBSERVED) == 7
    assert UPDATE.regressed is None


def test_a_reservation_is_a_sequence() -> None:
    times = Reservation(5, 9, "a", 1, None, 0.0, 1, 1)
    assert len(times) == 5
    assert list(times) == list(times.times) == [5, 6, 7, 8, 9]
    assert (times[0], times[-1], times[1:3]) == (5, 9, range(6, 8))
    assert (times.first, times.last) == (5, 9)
    assert 5 in times
    assert 9 in times
    assert 4 not in times
    assert 10 not in times
    assert "5" not in times
    for outside in (5, -6, 2**70):
        with pytest.raises(IndexError):
            times[outside]
    with pytest.raises(InvalidArgumentError):
        Reservation(9, 5, "a", 1, None, 0.0, 1, 1)


def test_a_huge_reservation_takes_no_room() -> None:
    times = Reservation(1, 2**32, "a", 1, None, 0.0, 1, 1)
    assert len(times) == 2**32
    assert times[2**32 - 1] == 2**32


def test_a_history_is_a_sequence_of_updates() -> None:
    history = History((OBSERVED, OBSERVED), None)
    assert len(history) == 2
    assert [*history] == list(history.updates) == [OBSERVED, OBSERVED]
    assert history[-1] == OBSERVED
    assert history[:1] == (OBSERVED,)
    assert History([OBSERVED]) == History((OBSERVED,))  # type: ignore[arg-type]
    assert (history.compacted_before, history.unreadable, history.unread_from) == (None, 0, None)
    cut = History((OBSERVED,), None, 0, 9)
    assert cut.unread_from == 9 and cut != History((OBSERVED,))
    assert "revision 9" in str(cut)
