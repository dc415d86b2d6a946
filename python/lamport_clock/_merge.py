"""The lines of several logs in one order: merge() and the command of lamport_clock.logging."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import IO

from . import Stamp


def merge(*logs: Iterable[str]) -> list[str]:
    """The lines of several logs in one order: by time, then process, then instance.

    A line has a stamp if it is a JSON object with `lamport` (and `lamport_instance`), or if its
    last word is one, but for those of its causes, as Formatter writes it. A line without one (a
    traceback, the rest of a message) stays behind the line it follows in its own log; those that
    follow none come first. Everything is held in memory.

        >>> from lamport_clock.logging import merge
        >>> merge(["asked billing 2@api", "done 6@api"], ["charged 4@billing", "  3 pounds"])
        ['asked billing 2@api', 'charged 4@billing', '  3 pounds', 'done 6@api']
    """
    entries = [entry for log in logs for entry in _entries(log)]
    # The sort is stable: what has one stamp stays in the order in which it was given.
    entries.sort(key=lambda entry: entry[0])
    return [line for _, lines in entries for line in lines]


def _entries(log: Iterable[str]) -> Iterator[tuple[tuple[int, str, str], list[str]]]:
    place = (-1, "", "")
    lines: list[str] = []
    for line in log:
        line = line.removesuffix("\n")
        stamped = _place(line)
        if stamped is not None:
            yield place, lines
            place, lines = stamped, []
        lines.append(line)
    yield place, lines


def _place(line: str) -> tuple[int, str, str] | None:
    """Where the line belongs; None if it does not say."""
    instance = None
    if line.startswith("{"):
        # A line that only looks like JSON may still be a plain one. Deep nesting is no ValueError.
        try:
            entry = json.loads(line)
            text, instance = entry.get("lamport"), entry.get("lamport_instance")
        except (ValueError, RecursionError):
            text = _last_word(line)
    else:
        text = _last_word(line)
    if not isinstance(text, str):
        return None
    try:
        stamp = Stamp.parse(text)
    except ValueError:
        return None
    named = isinstance(instance, str) and not stamp.instance
    return stamp.time, stamp.process, str(instance) if named else f"{stamp.instance:016x}"


def _last_word(line: str) -> str:
    """But for those of the causes."""
    words = line.rsplit(maxsplit=1)
    # Formatter writes at most 18.
    for _ in range(32):
        if not words or not _is_cause(words[-1]):
            break
        words = words[0].rsplit(maxsplit=1) if len(words) > 1 else []
    return words[-1] if words else ""


def _is_cause(word: str) -> bool:
    if not word.startswith("<"):
        return False
    try:
        Stamp.parse(word[1:])
    except ValueError:
        return word == "<-" or (word.startswith("<+") and word[2:].isdecimal())
    return True


def main(paths: list[str]) -> int:
    """Prints the lines of these files (`-`: what comes on stdin) in one order."""
    if not paths or any(path in ("-h", "--help") for path in paths):
        print("usage: python -m lamport_clock.logging LOG... (-: stdin)", file=sys.stderr)
        return 0 if paths else 2
    try:
        with ExitStack() as files:
            lines = merge(*(files.enter_context(_open(path)) for path in paths))
    except OSError as error:
        print(f"lamport_clock.logging: {error.filename}: {error.strerror}", file=sys.stderr)
        return 2
    try:
        for line in lines:
            sys.stdout.buffer.write(line.encode("utf-8", "surrogateescape") + b"\n")
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        # The reader, such as `head`, has closed the pipe. The flush at exit must not fail either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return 0


def _open(path: str) -> IO[str]:
    # Whatever the bytes of a line are, they come out as they went in.
    file = sys.stdin.fileno() if path == "-" else path
    return open(file, encoding="utf-8", errors="surrogateescape", newline="\n")
