"""Python programs that run beside the tests."""

from __future__ import annotations

import os
import queue
import re
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

from servers import PATIENCE


class Program:
    """A Python program of its own, whose output is read as it comes; killed at the end."""

    def __init__(self, *arguments: str, **variables: str) -> None:
        environment = {**os.environ, **variables}
        self.process = subprocess.Popen(
            [sys.executable, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
            start_new_session=True,
        )
        self.lines: list[str] = []
        self._news: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._news.put(line.rstrip("\n"))
        self._news.put(None)

    def next_line(self) -> str:
        """The next line it prints."""
        line = self._next()
        assert line is not None, f"it ended; it had printed {self.lines}"
        return line

    def wait_for(self, beginning: str) -> str:
        """The next line that begins so."""
        while True:
            line = self.next_line()
            if line.startswith(beginning):
                return line

    def wait_for_text(self, pattern: str) -> str:
        """What the pattern's group matched, or all of it, in the next line in which it does."""
        while True:
            found = re.search(pattern, self.next_line())
            if found:
                return found[found.re.groups]

    def say(self, line: str) -> None:
        """Gives it a line on stdin."""
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def close(self) -> None:
        """Gives it nothing more on stdin."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(PATIENCE)

    def end(self, number: signal.Signals | None = None) -> int:
        """Sends it the signal; its exit status, once it has ended and all of it was read."""
        if number is not None:
            self.process.send_signal(number)
        while self._next() is not None:
            pass
        return self.process.wait(PATIENCE)

    def _next(self) -> str | None:
        try:
            line = self._news.get(timeout=PATIENCE)
        except queue.Empty:
            raise AssertionError(f"it is silent; it had printed {self.lines}") from None
        if line is not None:
            self.lines.append(line)
        return line

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.kill()


def ends_well_every_time(*arguments: str, times: int) -> None:
    """Runs a program so often, a few at a time; each must end with status 0 and print nothing."""

    def once(_: int) -> tuple[int, str, str]:
        done = run(*arguments)
        return done.returncode, done.stdout, done.stderr

    with ThreadPoolExecutor(5) as batch:
        ended = list(batch.map(once, range(times)))
    assert set(ended) == {(0, "", "")}


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs a Python program to its end."""
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **variables},
        timeout=4 * PATIENCE,
        check=False,
    )
