"""The picture of a page: what is drawn where, and how it moves."""

from __future__ import annotations

from pathlib import Path

from conftest import Open
from events import click, row_of
from playwright.sync_api import expect
from traces import busy, tea


def test_by_wall_clock_a_message_of_a_slow_clock_runs_upwards(show: Open) -> None:
    page = show(tea())
    rises = """(edge) => {
      const { picture, trace } = viewer;
      return picture.y(trace.to[edge]) < picture.y(trace.from[edge]);
    }"""
    edges = range(page.evaluate("viewer.trace.to.length"))
    assert not any(page.evaluate(rises, edge) for edge in edges)
    page.get_by_role("button", name="Wall clock").click()
    risen = [edge for edge in edges if page.evaluate(rises, edge)]
    assert risen == [
        edge for edge in edges if page.evaluate("(edge) => viewer.trace.backwards(edge)", edge)
    ]
    assert len(risen) == 1
    # What is visible, and only that, in the order of the wall clocks.
    labels = page.evaluate("viewer.picture.labels.map(({ row }) => viewer.trace.wall[row])")
    assert len(labels) == 9
    assert labels == sorted(labels)


def test_the_wheel_scrolls_and_zooms_and_a_drag_moves(show: Open) -> None:
    page = show(busy(3, 2_000))
    page.mouse.move(300, 500)
    top, scale = page.evaluate("[viewer.picture.top, viewer.picture.scale]")
    page.mouse.wheel(0, 600)
    page.wait_for_function("(top) => viewer.picture.top > top", arg=top)
    page.keyboard.down("Control")
    page.mouse.wheel(0, 400)
    page.keyboard.up("Control")
    page.wait_for_function("(scale) => viewer.picture.scale < scale", arg=scale)
    top = page.evaluate("viewer.picture.top")
    page.mouse.down()
    page.mouse.move(300, 300, steps=5)
    page.mouse.up()
    assert page.evaluate("viewer.picture.top") > top
    # It was no click.
    assert page.evaluate("viewer.chosen") == -1


def test_rows_lower_than_four_pixels_become_a_density(show: Open) -> None:
    page = show(busy(30, 3_000))
    assert not page.evaluate("viewer.picture.isDense")
    page.evaluate("viewer.picture.zoom(1e-9), viewer.picture.draw()")
    assert page.evaluate("viewer.picture.isDense")
    assert page.evaluate("viewer.picture.labels.length") == 0
    page.evaluate("viewer.picture.zoom(1e9), viewer.picture.draw()")
    assert not page.evaluate("viewer.picture.isDense")


def test_messages_that_cross_the_view_are_found(show: Open) -> None:
    page = show(busy(5, 2_000))
    missed = """(raw) => {
      viewer.setRaw(raw);
      const { layout, trace } = viewer, index = layout.crossings(), missed = [];
      for (let from = 0; from < layout.end; from += layout.end / 40) {
        const to = from + layout.end / 100, found = new Set(index.crossing(from, to, Infinity));
        for (let edge = 0; edge < trace.to.length; edge++) {
          const ends = [layout.unit[trace.from[edge]], layout.unit[trace.to[edge]]];
          const crosses = Math.min(...ends) < to && Math.max(...ends) >= from;
          if (crosses !== found.has(edge)) missed.push([from, edge]);
        }
      }
      return missed;
    }"""
    assert page.evaluate(missed, False) == []
    assert page.evaluate(missed, True) == []


def test_a_line_that_is_missing_leaves_a_moment_or_a_gap(show: Open, tmp_path: Path) -> None:
    system = tea()
    api, billing, _ = system.processes
    sent = [line for line in api.lines if "asks billing" in line]
    api.lines.remove(sent[0])
    books = [line for line in billing.lines if "books" in line]
    billing.lines.remove(books[0])
    page = show(system)
    expect(page.locator("#summary")).to_contain_text("7 events, 3 messages. 2 lines are missing")
    row = row_of(page, "2@api")
    click(page, row)
    expect(page.locator("#text")).to_contain_text("Its line is missing")
    expect(page.locator("#effects")).to_contain_text("3@billing")
    assert page.evaluate("(row) => viewer.trace.flags[row] & GAP", row_of(page, "5@billing"))
    # Sent at the latest when the line before was written.
    expect(page.locator("#alarm")).to_contain_text(
        "billing's clock is at least 5.78 ms behind api's"
    )


def test_runs_have_lanes_of_their_own_or_share_one(show: Open) -> None:
    system = tea()
    api = system.processes[0]
    system.restart(api)
    system.log(api, "started")
    page = show(system)
    assert page.evaluate("viewer.layout.lanes.map((_, lane) => viewer.layout.laneName(lane))") == [
        "api run 1",
        "api run 2",
        "billing",
        "db",
    ]
    page.get_by_text("Lanes", exact=True).click()
    page.get_by_label("one lane for all runs").check()
    assert page.evaluate("viewer.layout.lanes.length") == 3


def test_the_shared_clocks_order_can_be_switched_off(show: Open) -> None:
    system = tea()
    for process in system.processes:
        system.update(process, "takes a turn")
    page = show(system)
    page.evaluate("viewer.choose(viewer.trace.updates[1], true)")
    expect(page.locator("#causes")).to_contain_text("shared clock")
    page.get_by_label("shared clock").uncheck()
    expect(page.locator("#causes")).not_to_contain_text("shared clock")


def test_three_thousand_lanes_can_be_found_and_scrolled(show: Open) -> None:
    page = show(busy(3_000, 9_000))
    lanes = page.evaluate("viewer.layout.lanes.length")
    assert lanes > 2_000
    row = page.evaluate("viewer.layout.lanes.length - 1")
    last = page.evaluate(
        "(lane) => viewer.trace.ofLife[viewer.trace.lifeStart[viewer.layout.lanes[lane][0]]]", row
    )
    page.evaluate("(row) => viewer.choose(row, true)", last)
    x = page.evaluate(
        "(row) => [viewer.picture.x(row), viewer.picture.lanesAt, viewer.picture.textAt]", last
    )
    assert x[1] <= x[0] <= x[2]
    page.get_by_text("Lanes", exact=True).click()
    assert page.locator("#lane-list input").count() == 200
    page.get_by_label("Search the lanes").fill("billing-77")
    assert 0 < page.locator("#lane-list input").count() < 12
