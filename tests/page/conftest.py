"""Pages of logs, open in a real Chromium."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from browser import chromium
from playwright.sync_api import Browser, Page, sync_playwright
from traces import System

REPOSITORY = Path(__file__).resolve().parents[2]
COMMAND = REPOSITORY / "target/debug/lamport"

Open = Callable[..., Page]


def draw(out: Path, logs: list[Path], *options: str) -> None:
    """`lamport diagram`."""
    command: list[str | Path] = [
        COMMAND,
        "diagram",
        "--title",
        "Lamport diagram",
        "-o",
        out,
        *options,
        *logs,
    ]
    subprocess.run(command, check=True, capture_output=True)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One for all tests."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def show(browser: Browser, tmp_path: Path) -> Iterator[Open]:
    """Makes a page of logs and opens it. It must stay silent, and ask nobody for anything."""
    complaints: list[str] = []
    contexts = []

    def show(logs: System | dict[str, str], scheme: str = "light", width: int = 1280) -> Page:
        if isinstance(logs, System):
            paths = logs.write(tmp_path)
        else:
            paths = [tmp_path / name for name in logs]
            for path, text in zip(paths, logs.values(), strict=True):
                path.write_text(text)
        out = tmp_path / "page.html"
        draw(out, paths)
        context = browser.new_context(
            color_scheme="dark" if scheme == "dark" else "light",
            viewport={"width": width, "height": 800},
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: complaints.append(request.url))
        page.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}"))
        page.goto(out.as_uri())
        page.wait_for_selector("html[data-ready]", timeout=30_000)
        assert complaints == [out.as_uri()]
        complaints.clear()
        return page

    yield show
    for context in contexts:
        context.close()
    assert complaints == []
