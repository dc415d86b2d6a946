"""How values are shown in a notebook: as a small table.

Names of processes and messages of servers come from outside, so they are escaped: they bring no
markup, no line break and no terminal colours into the table.
"""

from __future__ import annotations

import html

from ._native import escape

TYPE_CHECKING = False  # typing's own costs an import of typing
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ._values import History

_LEFT = ' style="text-align: left"'


def value(shown: object, names: Iterable[str]) -> str:
    """A row for each field."""
    return fields(type(shown).__name__, ((name, getattr(shown, name)) for name in names))


def fields(title: str, rows: Iterable[tuple[str, object]]) -> str:
    """A row for each name and its value."""
    body = "".join(
        f"<tr><th{_LEFT}>{name}</th><td{_LEFT}>{_cell(name, field)}</td></tr>"
        for name, field in rows
    )
    return _table(title, body)


def history(shown: History) -> str:
    """A row for each update, below the names of the columns."""
    names = ("instance", "real_timestamp", "revision")
    head = "".join(f"<th>{name}</th>" for name in ("update", *names))
    body = "".join(
        f"<tr><td>{_cell('update', update)}</td>"
        + "".join(f"<td>{_cell(name, getattr(update, name))}</td>" for name in names)
        + "</tr>"
        for update in shown
    )
    return _table(str(shown), f"<tr>{head}</tr>{body}")


def _table(title: str, body: str) -> str:
    return f"<table><caption{_LEFT}>{html.escape(escape(title))}</caption>{body}</table>"


def _cell(name: str, field: object) -> str:
    bits = name == "instance" and field is not None
    return html.escape(escape(f"{field:016x}" if bits else str(field)))
