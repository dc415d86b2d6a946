"""Processes that log, send, receive and fork as a test tells them, which keeps their vector clocks.

Each does one thing after the other, so that a vector and the clock that is tested tell one story.
What their programs are told, talker.py says.
"""

from __future__ import annotations

import random
import socket
import subprocess
from collections import deque
from collections.abc import Collection, Mapping
from pathlib import Path

from servers import PATIENCE
from vectors import Vector, merge


class Answer:
    """A line that a talker answers. It is waited for where it is needed: a busy machine takes its
    time to wake two processes for each step."""

    def __init__(self, talker: Talker) -> None:
        self._talker = talker
        self.heard: str | None = None

    @property
    def text(self) -> str:
        """The line."""
        while self.heard is None:
            self._talker.hear()
        return self.heard


class Talker:
    """One run of a process, and how many lines of whom came before where it stands."""

    def __init__(self, owner: str, connection: socket.socket, known: Vector) -> None:
        self.owner = owner
        connection.settimeout(PATIENCE)
        self._connection = connection
        self._answers = connection.makefile()
        self._awaited: deque[Answer] = deque()
        self._known = known

    def tell(self, command: str) -> Answer:
        """Tells it a line."""
        # What nobody reads would fill the connection.
        if len(self._awaited) == 50:
            self.hear()
        self._connection.sendall(f"{command}\n".encode())
        self._awaited.append(Answer(self))
        return self._awaited[-1]

    def hear(self) -> None:
        """Reads its next answer."""
        line = self._answers.readline()
        assert line.endswith("\n"), f"{self.owner} ended"
        self._awaited.popleft().heard = line[:-1]

    def log(self) -> tuple[str, Vector, Answer]:
        """Has it write a line: the text, what came before it with itself, and the line."""
        number = self._known.get(self.owner, 0) + 1
        self._known[self.owner] = number
        text = f"{self.owner} {number}"
        return text, dict(self._known), self.tell(f"log {text}")

    def send(self) -> tuple[Answer, Vector]:
        """Has it send a message: the header, and what comes before who receives it."""
        return self.tell("send"), dict(self._known)

    def receive(self, header: Answer, vector: Vector) -> None:
        """Has it receive that."""
        self.tell(f"receive {header.text}")
        merge(self._known, vector)

    def fork(self, owner: str) -> Talker:
        """Has it fork: the child, which knows what it knows."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.settimeout(PATIENCE)
            forked = self.tell(f"fork {listener.getsockname()[1]}")
            connection, _ = listener.accept()
            assert forked.text == "ok"
        return Talker(owner, connection, dict(self._known))

    def close(self) -> None:
        """Nothing comes any more, so it ends."""
        self._answers.close()
        self._connection.close()


class World:
    """Some of them, their messages and their logs."""

    def __init__(
        self,
        folder: Path,
        commands: Mapping[str, list[str]],
        seed: object,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """`commands`: what starts each process, by its name; `environment`: None for this one's."""
        self.logs = {name: folder / f"{name}.log" for name in commands}
        self.vectors: dict[str, Vector] = {}
        self._written: dict[str, list[Answer]] = {name: [] for name in commands}
        self._random = random.Random(str(seed))
        self._messages: list[tuple[Answer, Vector]] = []
        self._processes: list[subprocess.Popen[bytes]] = []
        self._talkers: list[Talker] = []
        for name, command in commands.items():
            ours, theirs = socket.socketpair()
            with theirs:
                both = theirs.fileno()
                words = [*command, name]
                process = subprocess.Popen(words, stdin=both, stdout=both, env=environment)
            self._processes.append(process)
            self._talkers.append(Talker(name, ours, {}))

    def run(self, lines: int, forks: int, forking: Collection[str]) -> None:
        """Until so many lines are written, and then a last one by each; so many of those that are
        named, and of their children, fork meanwhile."""
        fork_at = {self._random.randrange(lines) for _ in range(forks)}
        able = [talker for talker in self._talkers if talker.owner in forking]
        while len(self.vectors) < lines:
            if len(self.vectors) in fork_at:
                fork_at.remove(len(self.vectors))
                parent = self._random.choice(able)
                child = parent.fork(f"{parent.owner}-{len(self._talkers)}")
                self._talkers.append(child)
                able.append(child)
            self._step(self._random.choice(self._talkers))
        # Who is silent at the end may have told anybody anything.
        for talker in self._talkers:
            self._log(talker)
        for name, log in self.logs.items():
            log.write_text("".join(f"{line.text}\n" for line in self._written[name]))

    def _step(self, talker: Talker) -> None:
        step = self._random.choice(("log", "log", "send", "receive"))
        if step == "log":
            self._log(talker)
        elif step == "send":
            self._messages.append(talker.send())
        elif self._messages:
            # Messages overtake each other, are lost, and come to more than one.
            message = self._random.choice(self._messages)
            if self._random.random() < 0.7:
                self._messages.remove(message)
            talker.receive(*message)

    def _log(self, talker: Talker) -> None:
        text, vector, line = talker.log()
        self.vectors[text] = vector
        self._written[talker.owner.partition("-")[0]].append(line)

    def __enter__(self) -> World:
        return self

    def __exit__(self, *_exception: object) -> None:
        for talker in self._talkers:
            talker.close()
        for process in self._processes:
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
