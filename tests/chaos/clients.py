"""The processes that share the clock: Rust, Python and C, each with a member that it prefers."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from members import CLIENTS, KEY, PATIENCE, ROOT, until
from namespaces import LabError, Program
from network import Host, Wires
from records import Tail, call_of
from stage import Stage

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Programs:
    """What the clients are made of."""

    # The command `lamport`.
    lamport: Path
    # A Python that has the wheel.
    python: Path
    # worker.c, compiled.
    worker: Path


@dataclass(frozen=True)
class Settings:
    """How the clients work."""

    # The deadline of one call, in seconds.
    timeout: float
    # About how long one rests between two calls, in milliseconds.
    rest: int


class Client:
    """One process that works without end. A new start is a new instance of the same process."""

    def __init__(
        self,
        wires: Wires,
        host: Host,
        name: str,
        argv: list[str],
        env: dict[str, str],
        folder: Path,
    ) -> None:
        self.name = name
        self.host = host
        self.record = folder / f"{name}.jsonl"
        self.log = folder / f"{name}.log"
        # When it was stopped and resumed: no call can keep a deadline meanwhile.
        self.pauses: list[tuple[int, int]] = []
        self._stopped = 0
        self._argv = argv
        self._env = env
        self._wires = wires
        self._program: Program | None = None
        self._pid = 0
        self._tail = Tail(self.record)
        self._newest = 0

    @property
    def language(self) -> str:
        return self.name.partition("-")[0]

    def start(self) -> None:
        self._program = self._wires.start(self.host, self._argv, self._env, self.log)
        self._pid = self._program.pid()

    def kill(self) -> None:
        assert self._program is not None
        os.kill(self._pid, signal.SIGKILL)
        self._wires.forget(self._program)

    def stop(self) -> None:
        self._stopped = time.monotonic_ns()
        os.kill(self._pid, signal.SIGSTOP)

    def resume(self) -> None:
        assert self._program is not None
        self._program.send(signal.SIGCONT)
        self.pauses.append((self._stopped, time.monotonic_ns()))

    def ask_to_end(self) -> None:
        os.kill(self._pid, signal.SIGTERM)

    def end(self) -> None:
        """Waits until it ended in peace."""
        assert self._program is not None
        status = self._program.wait(PATIENCE)
        if status != 0:
            raise LabError(f"{self.name} ended with status {status}: see {self.log}")

    def has_ended(self) -> bool:
        """Whether it is gone although nobody ended it."""
        return self._program is not None and self._program.process.poll() is not None

    def newest_update(self) -> int:
        """When its newest acknowledged update was called; 0 if there is none."""
        for line in self._tail.lines():
            call = call_of(line)
            if call.is_acknowledged:
                self._newest = call.called
        return self._newest


class Crowd:
    """All clients together."""

    def __init__(self, clients: Sequence[Client]) -> None:
        self.clients = list(clients)

    def start(self) -> None:
        for client in self.clients:
            client.start()

    def wait_for_update(self, after: int, everyone: bool = False) -> int:
        """Returns once somebody, or everyone, had an update that was called after this moment."""
        give_up = time.monotonic() + PATIENCE
        while True:
            updated = [client.newest_update() > after for client in self.clients]
            if all(updated) if everyone else any(updated):
                return time.monotonic_ns()
            if time.monotonic() > give_up:
                silent = [
                    one.name for one, did in zip(self.clients, updated, strict=True) if not did
                ]
                raise LabError(f"no acknowledged update in {PATIENCE} s by {', '.join(silent)}")
            time.sleep(0.02)

    def end(self) -> None:
        for client in self.clients:
            client.ask_to_end()
        for client in self.clients:
            client.end()


class Workshop:
    """Makes clients of one cluster."""

    def __init__(
        self,
        place: Stage,
        programs: Programs,
        settings: Settings,
        folder: Path,
        user: tuple[str, str] | None,
    ) -> None:
        self.languages = (self.rust, self.python, self.c)
        self._place = place
        self._programs = programs
        self._settings = settings
        self._folder = folder
        self._env = {"PATH": os.environ["PATH"]}
        if place.tls:
            self._env["LAMPORT_TLS_CA"] = str(place.tls.authority)
        if user:
            self._env |= self.as_user(user)

    def as_user(self, user: tuple[str, str]) -> dict[str, str]:
        """The variables that make a program this user."""
        password = self._folder / f"{user[0]}.password"
        password.touch(0o600)
        password.write_text(user[1])
        return {"LAMPORT_USER": user[0], "LAMPORT_PASSWORD_FILE": str(password)}

    def rust(self, index: int) -> Client:
        settings = self._settings
        name, record = self._named("rust", index)
        argv = [str(self._programs.lamport), "run", "--json", "--record", str(record)]
        argv += ["--interval", f"{settings.rest}ms", "--timeout", f"{settings.timeout}s"]
        return self._client(name, index, [*argv, "--store", self._store(index), "--node", name])

    def python(self, index: int) -> Client:
        name, record = self._named("python", index)
        argv = [str(self._programs.python), str(HERE / "worker.py"), self._store(index), name]
        argv += [str(self._settings.timeout), str(record), str(self._settings.rest)]
        return self._client(name, index, argv)

    def c(self, index: int) -> Client:
        name, record = self._named("c", index)
        argv = [str(self._programs.worker), self._store(index), name]
        argv += [str(round(self._settings.timeout * 1e3)), str(record), str(self._settings.rest)]
        return self._client(name, index, argv)

    def old(self, index: int) -> Client:
        """One that reads and writes in two steps; as root, for it is nobody's clock."""
        name, record = self._named("old", index)
        tls = self._place.tls
        assert tls is not None
        member = self._place.cluster.members[index]
        argv = [str(self._programs.python), str(HERE / "legacy_writer.py")]
        argv += [self._place.cluster.endpoint(member), str(tls.authority), ":".join(ROOT)]
        return self._client(name, index, [*argv, name, str(record), str(self._settings.rest)])

    def watcher(self, user: tuple[str, str] | None) -> Watcher:
        env = {**self._env, **(self.as_user(user) if user else {})}
        argv = [str(self._programs.lamport), "watch", "--json", "--store", self._store(0)]
        return Watcher(self._place.wires, self._place.operator, argv, env, self._folder)

    def _store(self, first: int) -> str:
        """The store of a client that prefers this member."""
        members = self._place.cluster.members
        order = [*members[first:], *members[:first]]
        return "etcd://" + ",".join(f"{one.host.address}:{CLIENTS}" for one in order) + KEY

    def _named(self, language: str, index: int) -> tuple[str, Path]:
        name = f"{language}-{index}"
        return name, self._folder / f"{name}.jsonl"

    def _client(self, name: str, index: int, argv: list[str]) -> Client:
        home = self._place.homes[index]
        return Client(self._place.wires, home, name, argv, self._env, self._folder)


class Watcher:
    """Writes down the store's own log while it is made, for the checker."""

    def __init__(
        self, wires: Wires, host: Host, argv: list[str], env: dict[str, str], folder: Path
    ) -> None:
        self.log = folder / "store.jsonl"
        self.starts = 0
        self._wires = wires
        self._host = host
        self._argv = argv
        self._env = env
        self._errors = folder / "watch.log"
        self._program: Program | None = None
        self._tail = Tail(self.log)
        self._seen = 0

    def seen(self) -> int:
        """The newest revision that it has written down."""
        for line in self._tail.lines():
            self._seen = max(self._seen, json.loads(line).get("revision") or 0)
        return self._seen

    def sustain(self) -> None:
        """Starts it, also anew where it has ended: from the revision whose rest it may not have."""
        if self._program is not None:
            if self._program.process.poll() is None:
                return
            self._wires.forget(self._program)
        self.starts += 1
        argv = [*self._argv, "--from", str(max(1, self.seen()))]
        self._program = self._wires.start(self._host, argv, self._env, self._errors, self.log)

    def finish(self, last: int) -> Path:
        """Ends it once it has seen this revision; the log without what was told twice."""

        def complete() -> bool:
            self.sustain()
            return self.seen() >= last

        until(complete, f"the watch has not seen revision {last}")
        assert self._program is not None
        os.kill(self._program.pid(), signal.SIGTERM)
        self._program.wait(PATIENCE)
        lines = dict.fromkeys(self.log.read_text().splitlines())
        whole = self.log.with_name("log.jsonl")
        whole.write_text("".join(f"{line}\n" for line in lines))
        return whole
