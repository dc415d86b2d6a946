"""Hosts on a private bridge, and every way in which we spoil what lies between them."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from namespaces import BRIDGE, LabError, Network, Program, ip

WIRE = Path(__file__).with_name("wire.py")
# A hardware address that no interface has: what is sent there arrives nowhere.
NOWHERE = "02:00:00:00:de:ad"
HOLD = "echo ready; read -r _ || :"
# Output goes to a file, not to us: there is a lot of it, and it is read once something failed.
INTO = 'out=$1 err=$2; shift 2; exec "$@" >>"$out" 2>>"$err"'


class Host:
    """A network of its own, with one address on the bridge."""

    def __init__(self, name: str, address: str, cable: str, inside: int) -> None:
        self.name = name
        self.address = address
        self.cable = cable
        self._inside = inside

    def command(self, argv: Sequence[str], env: Mapping[str, str]) -> list[str]:
        """A command line that runs `argv` on this host, with `env` alone."""
        variables = [f"{name}={value}" for name, value in env.items()]
        enter = ["nsenter", "-t", str(self._inside), "-n", "-m", "-p"]
        return [*enter, "env", "-i", *variables, *argv]

    def run(self, argv: Sequence[str], env: Mapping[str, str], asked: bytes, timeout: float) -> str:
        """What a command on this host prints on stdout; a LabError when it fails."""
        command = self.command(argv, env)
        try:
            done = subprocess.run(
                command, input=asked, capture_output=True, timeout=timeout, check=False
            )
        except subprocess.TimeoutExpired:
            raise LabError(f"{self.name}: no end of {argv} in {timeout} s") from None
        if done.returncode:
            told = (done.stdout + done.stderr).decode(errors="replace")
            raise LabError(f"{self.name}: {argv} gave {done.returncode}\n{told}")
        return done.stdout.decode()

    def ip(self, words: str) -> None:
        ip(["nsenter", "-t", str(self._inside), "-n"], words)


class Wires(Network):
    """The bridge and its hosts, as a context."""

    def __init__(self) -> None:
        super().__init__()
        self.hosts: list[Host] = []

    def open(self, scratch: Path) -> None:
        """Makes the network; `scratch` becomes a folder in memory that only its hosts see."""
        self._make()
        within = self._enter("-m")
        mount = ["mount", "-t", "tmpfs", "-o", "mode=0700", "chaos", str(scratch)]
        subprocess.run([*within, *mount], check=True, timeout=10)

    def host(self, name: str, address: str) -> Host:
        inside = self._hold(name, [*self._enter("-m", "-p"), "unshare", "--net", "sh", "-c", HOLD])
        host = Host(name, address, f"cable{len(self.hosts)}", inside)
        self._plug(host.cable, inside, address)
        whole = [sys.executable, "-S", str(WIRE), "--whole", "eth0"]
        host.run(whole, {}, b"", timeout=10)
        self.hosts.append(host)
        return host

    def start(
        self,
        host: Host,
        argv: Sequence[str],
        env: Mapping[str, str],
        errors: Path,
        output: Path | None = None,
    ) -> Program:
        """Starts a program on a host; what it prints goes to the end of a file, or of two."""
        written = ["sh", "-c", INTO, "sh", str(output or errors), str(errors), *argv]
        program = Program(errors.stem, host.command(written, env))
        self._programs.append(program)
        return program

    def forget(self, program: Program) -> None:
        """It ended: nothing is left of it to end."""
        program.cut()
        program.reap()
        self._programs.remove(program)

    @contextlib.contextmanager
    def unheard(self, speaker: Host, listener: Host) -> Iterator[None]:
        """What one says to the other vanishes; the other way stays open."""
        # Both the open connections and the new ones find a permanent neighbour that is not there.
        speaker.ip(f"neigh replace {listener.address} lladdr {NOWHERE} dev eth0 nud permanent")
        yield
        speaker.ip(f"neigh del {listener.address} dev eth0")

    @contextlib.contextmanager
    def cut(self, one: Host, other: Host) -> Iterator[None]:
        """Nothing passes between the two, either way."""
        with self.unheard(one, other), self.unheard(other, one):
            yield

    @contextlib.contextmanager
    def unreachable(self, speaker: Host, listener: Host) -> Iterator[None]:
        """The one is told at once that there is no way to the other."""
        speaker.ip(f"route add unreachable {listener.address}/32")
        yield
        speaker.ip(f"route del unreachable {listener.address}/32")

    @contextlib.contextmanager
    def unplugged(self, host: Host) -> Iterator[None]:
        """All that a host says and all that is said to it vanishes."""
        ip(self._enter(), f"link set {host.cable} nomaster")
        yield
        ip(self._enter(), f"link set {host.cable} master {BRIDGE}")

    @contextlib.contextmanager
    def slow(self, host: Host, delay_ms: int, loss_percent: int) -> Iterator[None]:
        """All from and to a host comes later by so much, each way, and some of it never."""
        near, far = f"near{host.cable}", f"far{host.cable}"
        ip(self._enter(), f"link add {near} type veth peer name {far}")
        ip(self._enter(), f"link set {near} up")
        ip(self._enter(), f"link set {far} master {BRIDGE} up")
        command = [sys.executable, "-S", str(WIRE), str(delay_ms), str(loss_percent)]
        program = Program("wire", [*self._enter("-m", "-p"), *command, host.cable, near])
        self._programs.append(program)
        program.wait_for(lambda line: line.text == "ready", timeout=20)
        with self.unplugged(host):
            yield
        self.forget(program)
        ip(self._enter(), f"link del {near}")
