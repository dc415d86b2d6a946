"""The page in a real browser: how soon it is ready, what a frame costs, how large the file is.

usage: page.py COMMAND     (`lamport`, built for release)
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "page"))

from browser import chromium
from traces import busy

# Moves the picture for 90 frames and says how long each took, from its request to its end.
PAN = """async (scale) => {
  const { picture } = viewer, frames = [];
  picture.zoom(scale / picture.scale);
  picture.move(0, -1e300);
  for (let i = 0; i < 90; i++) {
    picture.move(0, 60);
    const begin = performance.now();
    picture.draw();
    picture.pen.getImageData(0, 0, 1, 1);
    frames.push(performance.now() - begin);
    await new Promise(requestAnimationFrame);
  }
  return frames;
}"""
SCALES = {"rows of 24 px": 24, "rows of 5 px": 5, "a tenth of all": 0, "all": 1e-9}


def measure(page: Page, events: int) -> None:
    """Prints the figures of one page."""
    ready = page.evaluate("Number(document.documentElement.dataset.ready)")
    print(f"  ready in {ready:.0f} ms")
    for name, scale in SCALES.items():
        frames = page.evaluate(PAN, scale or 5000 / events)
        worst = max(frames)
        print(f"  a frame, {name}: {statistics.median(frames):.1f} ms, at most {worst:.1f} ms")
    for what in ["cone(trace, trace.size >> 1, Infinity, true)", "layout.rebuild()"]:
        script = f"() => {{ const {{ trace, layout }} = viewer, begin = performance.now(); {what};"
        print(f"  {what}: {page.evaluate(script + ' return performance.now() - begin; }'):.0f} ms")
    search = "async () => { const begin = performance.now(); byId('search').value = 'order 77';"
    search += " await viewer.search.find(); return performance.now() - begin; }"
    first, again = page.evaluate(search), page.evaluate(search)
    print(f"  a search, first and again: {first:.0f} and {again:.0f} ms")


def main() -> None:
    """Makes the pages, opens them, prints."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        for processes, events in [(3, 50_000), (30, 50_000), (3000, 50_000), (3, 1_000_000)]:
            logs = busy(processes, events).write(Path(folder) / f"{processes}-{events}")
            out = Path(folder) / "page.html"
            command: list[str | Path] = [sys.argv[1], "diagram", "-o", out, *logs]
            subprocess.run(command, check=True, capture_output=True)
            size = out.stat().st_size / 1e6
            print(f"{events:,} events of {processes} processes: {size:.1f} MB")
            # The first page that a browser opens also pays for the browser's own beginning.
            for run in range(2):
                page = browser.new_page()
                page.goto(out.as_uri())
                page.wait_for_selector("html[data-ready]", timeout=60_000)
                if run:
                    measure(page, events)
                page.close()
        browser.close()


if __name__ == "__main__":
    main()
