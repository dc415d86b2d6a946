"""The verbs that go to the store, with arguments: each calls its method, of either face."""

from __future__ import annotations

from operator import methodcaller

VERBS: dict[str, methodcaller] = {
    "update": methodcaller("update"),
    "reserve": methodcaller("reserve", 3),
    "read": methodcaller("read"),
    "watch": methodcaller("watch"),
    "watch_from": methodcaller("watch", from_revision=1),
    "history": methodcaller("history"),
    "history_from": methodcaller("history", from_revision=1),
}
WAITING = [verb for verb in VERBS if verb != "watch_from"]
"""Those of SharedClock that wait for the store: a watch from a revision first asks for its next."""
