"""A store that has lost times: the exception, and `lamport repair` at a terminal."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time

import lamport_clock
import pytest
from lamport_clock import RegressedError, SharedClock
from servers import PATIENCE, Etcd


class Terminal:
    """`lamport repair` with a person in front of it: a pseudo terminal on all three streams."""

    def __init__(self, *arguments: str) -> None:
        ours, theirs = os.openpty()
        self._ours = ours
        self.said = ""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "lamport_clock", "repair", "--node", "operator", *arguments],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**os.environ, "NO_COLOR": "1"},
            start_new_session=True,
        )
        os.close(theirs)

    def wait_for(self, text: str) -> None:
        """Returns once it has said so."""
        give_up = time.monotonic() + PATIENCE
        while text not in self.said:
            heard = self._read(give_up - time.monotonic())
            assert heard, f"it ended, or fell silent; it had said {self.said!r}"

    def answer(self, text: str) -> int:
        """Types a line and waits for the end; the exit status."""
        os.write(self._ours, f"{text}\n".encode())
        while self._read(PATIENCE):
            pass
        return self.process.wait(PATIENCE)

    def _read(self, patience: float) -> bool:
        ready, _, _ = select.select([self._ours], [], [], max(patience, 0))
        try:
            heard = os.read(self._ours, 4096) if ready else b""
        except OSError:
            # What a terminal says whose other end was closed.
            heard = b""
        self.said += heard.decode().replace("\r\n", "\n")
        return bool(heard)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.process.kill()
        self.process.wait(PATIENCE)
        os.close(self._ours)


QUESTION = "Move the clock forward to 7? It can't be moved back. [y/N] "


def clock_without_base(etcd: Etcd, key: str) -> SharedClock:
    """A clock that stands at 6, and whose base somebody deleted."""
    clock = SharedClock.connect(etcd.uri(key), node="api")
    assert [clock.update().value for _ in range(3)] == [2, 4, 6]
    etcd.delete(f"{key}/base")
    return clock


def test_a_lost_base_raises_regressed_until_somebody_says_yes(etcd: Etcd, key: str) -> None:
    clock = clock_without_base(etcd, key)
    for _ in range(2):
        with pytest.raises(RegressedError, match="lamport repair") as caught:
            clock.update()
    assert isinstance(caught.value, RuntimeError)
    assert caught.value.kind == "regressed"
    with pytest.raises(lamport_clock.LamportError):
        clock.read()
    for no in ("n", "", "yess"):
        with Terminal("--store", etcd.uri(key)) as terminal:
            terminal.wait_for(QUESTION)
            assert terminal.answer(no) == 0
            assert "nothing was changed" in terminal.said
            assert etcd.get(f"{key}/base") is None
    with Terminal("--store", etcd.uri(key)) as terminal:
        terminal.wait_for(QUESTION)
        assert "record   6 by api" in terminal.said
        assert "clock    can't be told" in terminal.said
        assert f"its key {key}/base is gone" in terminal.said
        assert terminal.answer("y") == 0
        assert "7  repair:operator" in terminal.said
    assert clock.update().value > 7
    assert [update.process for update in clock.history(2)] == ["repair:operator", "api"]


def test_ctrl_c_at_the_question_changes_nothing(etcd: Etcd, key: str) -> None:
    clock_without_base(etcd, key)
    with Terminal("--store", etcd.uri(key)) as terminal:
        terminal.wait_for(QUESTION)
        terminal.process.send_signal(2)
        terminal.wait_for("interrupted")
        assert terminal.process.wait(PATIENCE) == 1
    assert etcd.get(f"{key}/base") is None
