"""The events that a page shows."""

from __future__ import annotations

from playwright.sync_api import Page

ROW_OF = """([stamp, instance]) => {
  const { trace } = viewer;
  for (let row = 0; row < trace.size; row++) {
    const own = trace.head.lives[trace.life[row]].instance;
    if (trace.stamp(row) === stamp && (!instance || own === instance)) return row;
  }
  return -1;
}"""


def row_of(page: Page, stamp: str, instance: str = "") -> int:
    """The row of a stamp."""
    row: int = page.evaluate(ROW_OF, [stamp, instance])
    assert row >= 0, stamp
    return row


def click(page: Page, row: int) -> None:
    """Clicks on an event's mark."""
    x, y = page.evaluate("(row) => [viewer.picture.x(row), viewer.picture.y(row)]", row)
    page.locator("#picture").click(position={"x": x, "y": y})


def shown(page: Page) -> int:
    """How many rows are shown."""
    rows: int = page.evaluate("viewer.layout.rows.length")
    return rows
