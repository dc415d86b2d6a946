"""Three containers on a private network, without a container engine.

Each `Container` of a `Lab` has its own network with one address on the lab's bridge, its own
processes, and private file systems over every path that the scripts write, so the machine stays as
it was. Nothing outlives the test: see tests/support/namespaces.py.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from namespaces import OWN, LabError, Network, Program

CONTAINER_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Where a container finds what is mounted into it.
MOUNTED = "/mnt/lab"

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


class Lab(Network):
    """The private network and its containers, as a context."""

    def __init__(self, scripts: Path, mirror: Path, keep: Sequence[Path]) -> None:
        super().__init__()
        self._scripts = scripts
        self._mirror = mirror
        self._keep = keep
        self.containers: dict[str, Container] = {}

    def open(self, nodes: Sequence[tuple[str, str]]) -> Lab:
        """Makes the network and one container per (name, address). Call once, inside `with`."""
        self._make()
        for number, (name, address) in enumerate(nodes):
            setup = ["sh", "-c", CONTAINER, "sh", name, str(self._scripts), str(self._mirror)]
            inside = self._hold(
                f"{name} container",
                [*self._enter("-m", "-p"), "unshare", "--net", "--uts", *OWN, *setup]
                + [str(path) for path in self._keep],
            )
            self._plug(f"node{number}", inside, address)
            self.containers[name] = Container(name, address, inside, self._programs)
        return self
