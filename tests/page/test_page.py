"""The page of `lamport diagram`, in a real browser."""

from __future__ import annotations

import json
import math
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import ClassVar

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from conftest import Open, draw
from events import click, row_of, shown
from playwright.sync_api import Browser, expect
from reference import Reference, moment
from traces import busy, tea


def test_it_says_who_how_many_and_which_clock_is_wrong(show: Open) -> None:
    page = show(tea())
    expect(page.locator("#summary")).to_have_text("3 processes, 9 events, 3 messages.")
    expect(page.locator("#alarm")).to_have_text(
        "By wall clock 1 message arrives before it was sent: "
        "billing's clock is at least 6.12 ms behind api's."
    )
    assert shown(page) == 9
    page.get_by_role("button", name="Show it").click()
    expect(page.locator("#stamp")).to_have_text("3@billing")


def test_a_process_whose_clock_goes_back_need_not_have_been_set(show: Open) -> None:
    page = show(
        {"a.log": "2026-11-29T12:00:00.015Z x 1@a <-\n2026-11-29T12:00:00.011Z y 2@a <1@a\n"}
    )
    expect(page.locator("#alarm")).to_have_text(
        "1 line shows an earlier wall clock than the line before: a clock was set back, "
        "or two threads took stamp and wall clock in different orders."
    )


def test_a_click_shows_the_line_and_what_is_around_it(show: Open) -> None:
    page = show(tea())
    click(page, row_of(page, "3@billing"))
    expect(page.locator("#stamp")).to_have_text("3@billing")
    expect(page.locator("#text")).to_have_text("is asked for 3 pounds")
    expect(page.locator("#facts")).to_contain_text("billing.log:1")
    expect(page.locator("#facts")).to_contain_text("6.12 ms less than a cause")
    expect(page.locator("#causes")).to_contain_text("2@api asks billing for 3 pounds")
    expect(page.locator("#causes .red")).to_contain_text("6.12 ms by wall clock")
    expect(page.locator("#live")).to_contain_text("3@billing: is asked for 3 pounds")
    page.locator("#causes button").first.click()
    expect(page.locator("#stamp")).to_have_text("2@api")
    expect(page.locator("#effects")).to_contain_text("3@billing")
    page.locator("#close").click()
    expect(page.locator("#panel")).to_be_hidden()


def test_a_traceback_stands_behind_its_line(show: Open) -> None:
    page = show(busy(3, 100))
    page.locator("#search").fill("failed")
    expect(page.locator("#count")).not_to_be_empty()
    page.locator("#search").press("Enter")
    expect(page.locator("#text")).to_have_text(re.compile(r'^order \d+ failed\n  File "pay.py"'))


def test_cones_agree_with_a_slow_reference(show: Open, tmp_path: Path) -> None:
    page = show(busy(5, 220, seed=3))
    logs = [path.read_text() for path in tmp_path.glob("*.log")]
    steps = Reference(logs).steps()
    rows = page.evaluate(
        "Array.from(viewer.trace.time, (_, row) => viewer.trace.stamp(row) + ';instance='"
        " + viewer.trace.head.lives[viewer.trace.life[row]].instance)"
    )
    moments = [moment(row) for row in rows]
    checked = 0
    for chosen in range(0, len(moments), 7):
        for most in (0, 1, 2, 5, math.inf):
            lit = page.evaluate(
                "([row, most]) => {"
                " const { steps } = cone(viewer.trace, row, most ?? Infinity);"
                " return rowsWhere(steps.length, (row) => steps[row] !== OUTSIDE); }",
                [chosen, None if most == math.inf else most],
            )
            wanted = []
            for row, other in enumerate(moments):
                own = moments[chosen]
                far = steps.get((own, other), steps.get((other, own), math.inf))
                if far <= most and far != math.inf:
                    wanted.append(row)
            assert lit == wanted, (rows[chosen], most)
            checked += len(wanted)
    assert checked > 1_000


def test_more_and_fewer_steps_light_more_and_less(show: Open) -> None:
    page = show(busy(3, 200))
    page.evaluate("viewer.choose(150, true)")
    lit = "rowsWhere(viewer.trace.size, (row) => viewer.picture.steps[row] !== OUTSIDE).length - 1"
    two = page.evaluate(lit)
    page.get_by_role("button", name="More steps").click()
    expect(page.locator("#reach")).to_have_text("3")
    three = page.evaluate(lit)
    page.keyboard.press("Escape")
    page.evaluate("viewer.choose(150, true)")
    page.locator("#whole").click()
    expect(page.locator("#reach")).to_have_text("all")
    assert two < three < page.evaluate(lit)
    page.select_option("#only", "lit")
    assert shown(page) == page.evaluate(lit) + 1


def test_a_search_finds_words_as_they_are_typed(show: Open) -> None:
    page = show(busy(3, 400))
    search, count = page.locator("#search"), page.locator("#count")
    page.keyboard.press("/")
    expect(search).to_be_focused()
    page.keyboard.type("ORDER 10")
    expect(count).to_have_text("11 lines")
    search.fill("order 10\\d")
    expect(count).to_have_text("0 lines")
    page.get_by_label("regex").check()
    expect(count).to_have_text("10 lines")
    search.press("Enter")
    expect(page.locator("#text")).to_contain_text("order 10")
    first = page.locator("#stamp").text_content()
    search.press("Enter")
    expect(page.locator("#stamp")).not_to_have_text(first or "")
    search.press("Shift+Enter")
    expect(page.locator("#stamp")).to_have_text(first or "")
    page.select_option("#only", "found")
    assert shown(page) == 10
    search.fill("order (")
    expect(count).to_have_text("not a pattern")


def test_lanes_and_levels_are_hidden_and_come_back(show: Open) -> None:
    page = show(busy(3, 300))
    page.get_by_text("Levels").click()
    page.get_by_label("warn").uncheck()
    warnings = page.evaluate(
        "rowsWhere(viewer.trace.size, (row) => viewer.trace.levelName(row) === 'warn')"
    )
    assert warnings
    assert shown(page) == 300 - len(warnings)
    page.get_by_text("Lanes", exact=True).click()
    page.get_by_label("Search the lanes").fill("bill")
    page.get_by_role("button", name="Hide these").click()
    assert page.evaluate("viewer.layout.lanes.length") == 2
    # A line that is hidden and gone to comes into view.
    page.evaluate("(row) => viewer.choose(row, true)", warnings[0])
    assert shown(page) == 300
    expect(page.get_by_label("warn")).to_be_checked()


def test_every_key_does_what_the_help_says(show: Open) -> None:
    page = show(busy(3, 500))
    page.keyboard.press("Enter")
    expect(page.locator("#stamp")).to_have_text("1@api")
    steps: list[tuple[str, str]] = [
        ("j", "viewer.trace.after(was)"),
        ("j", "viewer.trace.after(was)"),
        ("k", "viewer.trace.before(was)"),
        ("n", "viewer.inverted[0]"),
        ("n", "viewer.inverted[1]"),
        ("p", "viewer.inverted[0]"),
        ("c", "viewer.trace.causes(was)[0]"),
        ("e", "viewer.trace.effects(was)[0]"),
    ]
    for key, wanted in steps:
        was = page.evaluate("viewer.chosen")
        page.keyboard.press(key)
        assert page.evaluate("viewer.chosen") == page.evaluate(f"(was) => {wanted}", was), key
    for key, reach in [("]", 3), ("[", 2), ("[", 1)]:
        page.keyboard.press(key)
        assert page.evaluate("viewer.reach") == reach
    page.keyboard.press("End")
    assert page.evaluate("viewer.picture.y(viewer.trace.size - 1) < viewer.picture.height")
    page.keyboard.press("Home")
    assert page.evaluate("viewer.picture.y(0) > viewer.picture.head")
    for key, wanted in [("ArrowDown", "top > was.top"), ("ArrowUp", "top < was.top")]:
        before = page.evaluate("({ top: viewer.picture.top })")
        page.keyboard.press(key)
        assert page.evaluate(
            f"(was) => {{ const {{ top }} = viewer.picture; return {wanted}; }}", before
        )
    scale = page.evaluate("viewer.picture.scale")
    page.keyboard.press("+")
    assert page.evaluate("viewer.picture.scale") > scale
    page.keyboard.press("-")
    assert page.evaluate("viewer.picture.scale") == pytest.approx(scale)
    page.keyboard.press("w")
    expect(page.locator("#by-wall")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("Escape")
    expect(page.locator("#panel")).to_be_hidden()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()


HOSTILE = [
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "\u202egnp.exe \u2066 and \u200b nothing",
    "☕ 🫖 naïve 東京 مرحبا بالعالم שלום",
    "{{data}} {{title}} ${alert(1)} &amp;",
    "line\n  at first\n\tat second",
    "\u0001\u0000 control",
]


def test_a_text_is_never_more_than_a_text(show: Open) -> None:
    records = [
        {"message": text, "lamport": f"{i + 1}@<b>{i}</b>", "level": "<i>", "lamport_lane": "<u>"}
        for i, text in enumerate([*HOSTILE, "x" * 1_000_000 + " end"])
    ]
    log = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    page = show({"<b> & .log": log})
    texts = page.locator("#text")
    for row, text in enumerate(HOSTILE):
        page.evaluate("(row) => viewer.choose(row, true)", row)
        expect(page.locator("#stamp")).to_have_text(f"{row + 1}@<b>{row}</b>")
        said = texts.text_content() or ""
        for hidden in "\u202e\u2066\u200b\u0001\u0000":
            text = text.replace(hidden, f"\\u{{{ord(hidden):x}}}")
        assert said == text
    assert page.locator("#panel b, #panel i, #panel u, img").count() == len(
        page.query_selector_all("#panel li b")
    )
    page.evaluate("(row) => viewer.choose(row, true)", len(HOSTILE))
    expect(page.locator("#all")).to_have_text("Show all 1,000,004 characters")
    assert len(texts.text_content() or "") == 2_000
    page.locator("#all").click()
    assert (texts.text_content() or "").endswith(" end")


class Server(BaseHTTPRequestHandler):
    """Answers everybody, and remembers."""

    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(200)
        self.send_header("Access-Control-Allow-Origin", "*")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """In silence."""


def test_the_page_may_ask_nobody_and_run_nothing_else(browser: Browser, tmp_path: Path) -> None:
    """Its policy holds even if something got into it."""
    out = tmp_path / "page.html"
    draw(out, tea().write(tmp_path))
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    Thread(target=server.serve_forever).start()
    url = f"http://127.0.0.1:{server.server_port}"
    try:
        attempts = (
            "<script>document.title = 'run'</script>"
            f"<img src='{url}/image' onerror=\"document.title = 'run'\">"
            "<style>body { display: none }</style>"
        )
        out.write_text(out.read_text().replace("<header>", attempts + "<header>"))
        page = browser.new_page()
        page.goto(out.as_uri())
        page.wait_for_selector("html[data-ready]")
        fetch = "(url) => fetch(url).then(() => 'answered', () => 'refused')"
        assert page.evaluate(fetch, f"{url}/fetch") == "refused"
        assert page.title() == "Lamport diagram"
        assert page.evaluate("getComputedStyle(document.body).display") == "flex"
        assert Server.asked == []
        page.close()
    finally:
        server.shutdown()
        server.server_close()


def test_two_fingers_zoom(show: Open) -> None:
    page = show(busy(3, 2_000))
    touch = page.context.new_cdp_session(page)
    scale = page.evaluate("viewer.picture.scale")
    for kind, apart in [("touchStart", 100), ("touchMove", 160), ("touchMove", 220)]:
        points = [{"x": 300, "y": 400 + sign * apart / 2, "id": sign} for sign in (0, 1)]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    page.wait_for_function("(scale) => viewer.picture.scale > scale * 1.5", arg=scale)
    assert page.evaluate("viewer.chosen") == -1


def test_a_title_of_any_length_leaves_room_for_the_picture(show: Open) -> None:
    page = show(tea())
    page.evaluate("document.querySelector('h1').textContent = 'many.log, '.repeat(9999)")
    assert page.evaluate("viewer.canvas.clientHeight") > 400


def test_without_wall_clocks_there_is_order_alone(show: Open) -> None:
    page = show({"a.log": "asked 1@api <-\n", "b.log": "is asked 2@billing <1@api\n"})
    expect(page.locator("#by-wall")).to_be_disabled()
    expect(page.locator("#alarm")).to_be_empty()
    assert shown(page) == 2


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_has_nothing_to_say(show: Open, scheme: str) -> None:
    page = show(busy(5, 300), scheme)
    for prepare in [
        "",
        "viewer.choose(viewer.inverted[0], true)",
        "byId('levels').open = true",
        "byId('keys').showModal()",
    ]:
        page.evaluate(prepare or "0")
        results = Axe().run(page)
        assert results.violations_count == 0, results.generate_report()


def test_light_and_dark_can_be_switched(show: Open) -> None:
    page = show(tea(), "dark")
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(ground)
    page.get_by_role("button", name="Light or dark").click()
    assert page.evaluate(ground) == "rgb(255, 255, 255)" != dark
    assert page.evaluate("viewer.picture.colours.ground") == "#ffffff"


def test_on_paper_there_is_the_whole_picture_and_no_button(show: Open) -> None:
    page = show(busy(3, 120), "dark")
    page.emulate_media(media="print")
    height = page.evaluate("viewer.picture.height")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate("viewer.picture.labels.length") == 120
    assert page.evaluate("viewer.picture.colours.ground") == "#ffffff"
    expect(page.locator(".tools")).to_be_hidden()
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    page.emulate_media(media="screen")
    assert page.evaluate("viewer.picture.colours.ground") != "#ffffff"
    page.wait_for_function("(height) => viewer.picture.height === height", arg=height)
    assert page.pdf().startswith(b"%PDF")


def test_a_still_picture_is_whole(browser: Browser, tmp_path: Path) -> None:
    picture = tmp_path / "page.svg"
    draw(picture, busy(5, 300).write(tmp_path), "--svg")
    page = browser.new_page()
    page.goto(picture.as_uri())
    assert page.evaluate("document.documentElement.nodeName") == "svg"
    assert page.locator("parsererror").count() == 0
    assert page.locator("circle").count() > 250
    page.close()
