"""The settings that a clock is made from, by keyword, for type checkers.

The library's own table is in src/config/settings.rs; a test compares the two.
"""

from __future__ import annotations

from typing import TypedDict


class Settings(TypedDict, total=False):
    """What `connect()` and `open()` take beside `store` and `node`. None counts as not given."""

    nodes: str | None
    key: str | None
    timeout: float | str | None
    max_jump: int | None
    config: str | None
    tls_ca: str | None
    tls_cert: str | None
    tls_key: str | None
    user: str | None
    password_file: str | None
    allow_plaintext: bool | None
    header_key_file: str | None
