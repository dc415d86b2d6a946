"""Namespaces of our own on a private network, for tests: no root file system, no engine.

A `Network` is a namespace of its own (network, mounts, processes) with a bridge in it. Others hang
their own networks on that bridge.

Nothing outlives the test: the first process of the network reads a pipe that only the test holds.
When the test ends, however it ends, the pipe closes, that process exits, and the kernel kills
every other process in it.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

BRIDGE = "lamport0"
OWN = ("--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
NEEDED = ("unshare", "nsenter", "ip", "mount", "sh")

LAB = f"""
set -eu
ip link set lo up
ip link add {BRIDGE} type bridge
ip address add 172.21.0.1/16 dev {BRIDGE}
ip link set {BRIDGE} up
echo ready
read -r _ || :
"""

Self = TypeVar("Self", bound="Network")


class LabError(AssertionError):
    """Something in the lab did not do what it should; says what and what it printed."""


@dataclass(frozen=True)
class Line:
    """One line a program printed, and when it reached us (monotonic seconds)."""

    at: float
    text: str


class Program:
    """A running program whose output is read as it comes."""

    def __init__(self, title: str, argv: Sequence[str]) -> None:
        self.title = title
        self.began = time.monotonic()
        self._lines: list[Line] = []
        self._news = threading.Condition()
        self._ended = False
        # stdin is the life line: see the module's first lines.
        self.process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd="/"
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for raw in self.process.stdout:
            line = Line(time.monotonic(), raw.decode(errors="replace").rstrip("\n"))
            with self._news:
                self._lines.append(line)
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    @property
    def lines(self) -> list[Line]:
        with self._news:
            return list(self._lines)

    def wait_for(
        self, wanted: Callable[[Line], bool], timeout: float, count: int = 1, after: int = 0
    ) -> Line:
        """The `count`th wanted line at or after index `after`; a LabError when it never comes."""
        deadline = time.monotonic() + timeout
        with self._news:
            while True:
                found = [line for line in self._lines[after:] if wanted(line)]
                if len(found) >= count:
                    return found[count - 1]
                left = deadline - time.monotonic()
                if self._ended or left <= 0:
                    break
                self._news.wait(left)
            why = "it ended" if self._ended else f"nothing of it in {timeout} s"
        raise LabError(f"{self.title}: {len(found)} of {count} wanted lines, {why}\n{self.tail()}")

    def tail(self, count: int = 15) -> str:
        return "\n".join(f"    {self.title}: {line.text[:240]}" for line in self.lines[-count:])

    def pid(self) -> int:
        """The program's own process id: entering a process namespace puts a parent above it."""
        give_up = time.monotonic() + 10
        while True:
            found = innermost(self.process.pid)
            if found != self.process.pid:
                return found
            # Right after the start its parent may not have got there yet.
            if self.process.poll() is not None or time.monotonic() > give_up:
                raise LabError(f"{self.title} is not running\n{self.tail()}")
            time.sleep(0.005)

    def send(self, number: signal.Signals) -> None:
        os.kill(self.pid(), number)
        if number == signal.SIGCONT:
            # nsenter above it stops itself when it sees its program stopped.
            self.process.send_signal(number)

    def wait(self, timeout: float) -> int:
        """Its exit status, once it has ended and all it printed has been read."""
        try:
            status = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise LabError(f"{self.title} did not end in {timeout} s\n{self.tail()}") from None
        self._reader.join(timeout)
        return status

    def cut(self) -> None:
        """Closes its life line."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    def reap(self) -> None:
        """Sees it gone, by force if need be."""
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(5)
        self._reader.join(5)


def innermost(pid: int) -> int:
    """The last of the chain of only children below `pid`, or `pid` itself."""
    while True:
        children = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                # "pid (any name) state ppid ...": the name may hold blanks and brackets.
                fields = stat.read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == pid:
                children.append(int(stat.parent.name))
        if len(children) != 1:
            return pid
        pid = children[0]


class Network:
    """The private network, as a context. What is started in it is killed with it."""

    def __init__(self) -> None:
        self._programs: list[Program] = []
        self._entry = 0

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        # The first is the network's own process: its end is the end of all the others.
        for program in self._programs:
            program.cut()
        for program in self._programs:
            program.reap()

    def _make(self) -> None:
        """Makes the network. Call once, inside `with`."""
        self._entry = self._hold("lab", ["unshare", "--net", *OWN, "sh", "-c", LAB])

    def _enter(self, *also: str) -> list[str]:
        """The beginning of a command line that runs the rest of it in the network."""
        return ["nsenter", "-t", str(self._entry), "-n", *also]

    def _hold(self, title: str, argv: Sequence[str]) -> int:
        """Starts a process that holds namespaces open until its life line closes; its id."""
        program = Program(title, argv)
        self._programs.append(program)
        program.wait_for(lambda line: line.text == "ready", timeout=20)
        return program.pid()

    def _plug(self, cable: str, inside: int, address: str) -> None:
        """Hangs the network of the process `inside` on the bridge, as its eth0."""
        # From this side of the process namespace, where `inside` is a number that means it.
        ip(self._enter(), f"link add {cable} type veth peer name eth0 netns {inside}")
        ip(self._enter(), f"link set {cable} master {BRIDGE} up")
        at_home = ["nsenter", "-t", str(inside), "-n"]
        ip(at_home, "link set lo up")
        ip(at_home, f"address add {address}/16 dev eth0")
        ip(at_home, "link set eth0 up")


def ip(enter: Sequence[str], words: str) -> None:
    """Runs `ip` in the namespaces that `enter` enters; a LabError when it fails."""
    done = subprocess.run(
        [*enter, "ip", *words.split()], capture_output=True, text=True, timeout=10
    )
    if done.returncode:
        raise LabError(f"ip {words} gave {done.returncode}: {done.stderr.strip()}")


def why_not() -> str | None:
    """Why no lab can be made on this machine, or None when one can."""
    missing = [tool for tool in NEEDED if not shutil.which(tool)]
    if missing:
        return f"not installed: {', '.join(missing)}"
    if os.geteuid() != 0:
        return "not root: making network namespaces and mounts needs it"
    trial = subprocess.run(
        ["unshare", "--net", *OWN, "sh", "-c", LAB],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=20,
    )
    if trial.returncode or "ready" not in trial.stdout:
        return f"unshare or ip is not allowed here: {trial.stderr.strip()}"
    return None
