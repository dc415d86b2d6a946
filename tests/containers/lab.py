"""Three containers on a private network, without a container engine.

A `Lab` is a namespace of its own (network, mounts, processes) with a bridge in it. Each
`Container` in it has its own network with one address on the bridge, its own processes, and
private file systems over every path that the scripts write, so the machine stays as it was.

Nothing outlives the test: the first process of the lab reads a pipe that only the test holds.
When the test ends, however it ends, the pipe closes, that process exits, and the kernel kills
every other process in the lab.
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
from types import TracebackType

BRIDGE = "lamport0"
CONTAINER_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Where a container finds what is mounted into it.
MOUNTED = "/mnt/lab"
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

# $1 the node's name, $2 the scripts, $3 the mirror, the rest: directories to keep in sight.
CONTAINER = f"""
set -eu
name=$1 scripts=$2 mirror=$3
shift 3
echo "$name" >/proc/sys/kernel/hostname
mount -t tmpfs -o mode=0755 lab /mnt
mkdir -p {MOUNTED}/scripts {MOUNTED}/mirror {MOUNTED}/bin {MOUNTED}/keep
show() {{
    mount --bind "$1" "$2"
    mount -o remount,bind,ro "$2"
}}
show "$scripts" {MOUNTED}/scripts
show "$mirror" {MOUNTED}/mirror
kept=0
for path in "$@"; do
    kept=$((kept + 1))
    mkdir {MOUNTED}/keep/$kept
    show "$path" {MOUNTED}/keep/$kept
done

# /usr/local/bin: what the machine has there, but for any etcd, and room for more.
mount --bind /usr/local/bin {MOUNTED}/bin
mount -t tmpfs -o mode=0755 lab /usr/local/bin
for file in {MOUNTED}/bin/*; do
    here=/usr/local/bin/${{file##*/}}
    case $here in */etcd*) continue ;; esac
    if [ -L "$file" ]; then
        cp -P "$file" "$here"
    elif [ -f "$file" ]; then
        : >"$here"
        mount --bind "$file" "$here"
    fi
done
# The start script shall make /var/lib/etcd itself, so its parent is what is private.
mount -t tmpfs -o mode=0755 lab /var/lib
mount -t tmpfs -o mode=1777 lab /tmp
kept=0
for path in "$@"; do
    kept=$((kept + 1))
    case $path in
    /tmp/* | /var/lib/*)
        mkdir -p "$path"
        mount --bind {MOUNTED}/keep/$kept "$path"
        ;;
    esac
done

# Neither the machine's etcd nor its package manager is in a bare container of ours.
for folder in /usr/bin /usr/sbin /bin /sbin /usr/local/sbin; do
    [ ! -e $folder/etcd ] || mount --bind /dev/null $folder/etcd
done
printf '#!/bin/sh\\necho "$*" >>{MOUNTED}/apt-asked\\nexit 1\\n' >{MOUNTED}/apt-get
chmod 0755 {MOUNTED}/apt-get
if apt=$(command -v apt-get); then
    mount --bind {MOUNTED}/apt-get "$apt"
fi
echo ready
read -r _ || :
"""


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
        found = innermost(self.process.pid)
        if found == self.process.pid:
            raise LabError(f"{self.title} is not running\n{self.tail()}")
        return found

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


class Container:
    """One node: a name, an address, a network, processes and file systems of its own."""

    def __init__(self, name: str, address: str, entry: int, programs: list[Program]) -> None:
        self.name = name
        self.address = address
        self._entry = entry
        self._programs = programs

    def command(self, *argv: str, **env: str) -> list[str]:
        """A command line that runs `argv` inside, with NODE_NAME, PATH and `env` alone."""
        variables = {"PATH": CONTAINER_PATH, "NODE_NAME": self.name, **env}
        inside = ["nsenter", "-t", str(self._entry), "-n", "-m", "-p", "-u", "--wd=/"]
        return [
            *inside,
            "env",
            "-i",
            *(f"{key}={value}" for key, value in variables.items()),
            *argv,
        ]

    def start(self, title: str, *argv: str, **env: str) -> Program:
        program = Program(f"{self.name} {title}", self.command(*argv, **env))
        self._programs.append(program)
        return program

    def run(self, *argv: str, timeout: float = 10) -> str:
        """What a command inside prints on stdout; a LabError when it fails."""
        try:
            done = subprocess.run(
                self.command(*argv), capture_output=True, text=True, timeout=timeout, cwd="/"
            )
        except subprocess.TimeoutExpired:
            raise LabError(f"{self.name}: no end of {argv} in {timeout} s") from None
        if done.returncode:
            raise LabError(
                f"{self.name}: {argv} gave {done.returncode}\n{done.stdout}{done.stderr}"
            )
        return done.stdout


class Lab:
    """The private network and its containers, as a context."""

    def __init__(self, scripts: Path, mirror: Path, keep: Sequence[Path]) -> None:
        self._scripts = scripts
        self._mirror = mirror
        self._keep = keep
        self._programs: list[Program] = []
        self.containers: dict[str, Container] = {}

    def __enter__(self) -> Lab:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # The first is the lab's own process: its end is the end of all the others.
        for program in self._programs:
            program.cut()
        for program in self._programs:
            program.reap()

    def _hold(self, title: str, argv: Sequence[str]) -> tuple[Program, int]:
        """Starts a process that holds namespaces open until its life line closes."""
        program = Program(title, argv)
        self._programs.append(program)
        program.wait_for(lambda line: line.text == "ready", timeout=20)
        return program, program.pid()

    def open(self, nodes: Sequence[tuple[str, str]]) -> Lab:
        """Makes the network and one container per (name, address). Call once, inside `with`."""
        _, entry = self._hold("lab", ["unshare", "--net", *OWN, "sh", "-c", LAB])
        enter = ["nsenter", "-t", str(entry), "-n"]
        for number, (name, address) in enumerate(nodes):
            setup = ["sh", "-c", CONTAINER, "sh", name, str(self._scripts), str(self._mirror)]
            _, inside = self._hold(
                f"{name} container",
                [*enter, "-m", "-p", "unshare", "--net", "--uts", *OWN, *setup]
                + [str(path) for path in self._keep],
            )
            cable = f"node{number}"
            # From this side of the process namespace, where `inside` is a number that means it.
            _ip(enter, f"link add {cable} type veth peer name eth0 netns {inside}")
            _ip(enter, f"link set {cable} master {BRIDGE} up")
            container = Container(name, address, inside, self._programs)
            at_home = ["nsenter", "-t", str(inside), "-n"]
            _ip(at_home, "link set lo up")
            _ip(at_home, f"address add {address}/16 dev eth0")
            _ip(at_home, "link set eth0 up")
            self.containers[name] = container
        return self


def _ip(enter: Sequence[str], words: str) -> None:
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
