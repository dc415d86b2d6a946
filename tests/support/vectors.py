"""What came before what by vector clocks, and whether `lamport order` and `explain` say the same.

Who logs keeps a vector clock beside the clock that is tested: how many lines of each owner (one run
of a process) came before. It is counted at each line, sent with each message and merged where one
arrives. Each line's text is its owner and its number, such as `shop 7`, so that nothing but these
texts joins the two.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

Vector = dict[str, int]
Pair = tuple[str, str]

# One process for all questions. Each has one line of output, an answer or an error.
ASK = """
import json, sys
from lamport_clock.__main__ import main
for a, b in json.load(sys.stdin):
    main("explain", "--json", a, b, *sys.argv[1:])
"""
PAIRS = 300
LIMIT = 120
"""Seconds for one process, on a busy machine."""


def merge(vector: Vector, other: Mapping[str, int]) -> None:
    """Whoever has this vector learns of what the other one counts."""
    for owner, number in other.items():
        vector[owner] = max(vector.get(owner, 0), number)


class Line(NamedTuple):
    """A line of a log."""

    file: Path
    number: int
    written: str

    @property
    def text(self) -> str:
        """What makes it known to the vector clocks."""
        return str(json.loads(self.written)["message"])

    @property
    def stamp(self) -> str:
        """Its name, with the instance."""
        line = json.loads(self.written)
        return f"{line['lamport'].partition(';')[0]};instance={line['lamport_instance']}"


class Truth:
    """What really came before what, and answers to hold against it."""

    def __init__(self, logs: Iterable[Path], vectors: Mapping[str, Vector], seed: object) -> None:
        self._vectors = vectors
        self._random = random.Random(str(seed))
        self._logs = list(logs)
        self._written = [
            Line(log, number, written)
            for log in self._logs
            for number, written in enumerate(log.read_text().splitlines(), 1)
        ]
        # Others in the process may log, too.
        self._lines = {line.text: line for line in self._written if line.text in vectors}
        assert self._lines.keys() == vectors.keys()

    def is_before(self, a: str, b: str) -> bool:
        """Whether the line with text A happened before that with text B."""
        owner, number = _named(a)
        return a != b and self._vectors[b].get(owner, 0) >= number

    def agrees(self, folder: Path, python: str = sys.executable) -> None:
        """Asks for the order of all lines and of many pairs, and of some of the lines again. Each
        process must have written a last line, behind which no message left it."""
        ordered = self._ordered(python, self._logs)
        assert len(ordered) == len(self._lines)
        answers = self._answers(python, self._pairs(ordered), self._logs)
        for (a, b), answer in answers.items():
            known = self.is_before(a, b), self.is_before(b, a)
            expected = {(True, False): "before", (False, True): "after"}.get(known, "concurrent")
            assert answer == expected, (a, b, answer)
        counts = Counter(answers.values())
        assert len(counts) == 3 and min(counts.values()) > PAIRS / 30, counts

        # With less of the lines: of one log none, or of all of them some are missing.
        some = list(answers)[: PAIRS // 3]
        less: Counter[str] = Counter()
        for log in self._logs:
            rest = [other for other in self._logs if other != log]
            here = [pair for pair in some if all(self._lines[text].file != log for text in pair)]
            less += self._with_less(python, rest, {pair: answers[pair] for pair in here})
        for share in (0.05, 0.3, 0.7):
            thinned = self._thinned(folder / str(share), share)
            less += self._with_less(python, thinned, {pair: answers[pair] for pair in some})
        assert less["unknown"] > 0 and less["same"] > less.total() / 3, less

    def _with_less(
        self, python: str, logs: list[Path], answers: Mapping[Pair, Any]
    ) -> Counter[str]:
        """How many answers are the same with these logs alone, and how many unknown."""
        self._ordered(python, logs)
        less: Counter[str] = Counter()
        for pair, answer in self._answers(python, answers, logs).items():
            # None: nobody tells of that process any more.
            assert answer in (answers[pair], "unknown", None), (pair, answer, answers[pair], logs)
            less["same" if answer == answers[pair] else str(answer)] += 1
        return less

    def _ordered(self, python: str, logs: list[Path]) -> list[str]:
        """The lines in the order that the command says, in which no effect is before its cause."""
        done = subprocess.run(
            [python, "-m", "lamport_clock", "order", *map(str, logs)],
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        texts = [str(json.loads(line)["message"]) for line in done.stdout.splitlines()]
        ordered = [text for text in texts if text in self._lines]
        # Of each owner the last line that a line above is an effect of, or is itself.
        known: Vector = {}
        for text in ordered:
            owner, number = _named(text)
            assert number > known.get(owner, 0), f"{text} is below one of its effects"
            merge(known, self._vectors[text])
        return ordered

    def _pairs(self, ordered: list[str]) -> list[Pair]:
        """Half of them neighbours: of those that are far apart nearly all are cause and effect."""
        pairs: dict[Pair, None] = {}
        while len(pairs) < PAIRS:
            first = self._random.randrange(len(ordered))
            near = ordered[max(0, first - 5) : first + 6]
            second = self._random.choice(self._random.choice((near, ordered)))
            if ordered[first] != second:
                pairs[ordered[first], second] = None
        return list(pairs)

    def _answers(self, python: str, pairs: Iterable[Pair], logs: list[Path]) -> dict[Pair, Any]:
        pairs = list(pairs)
        complete = set(logs) == set(self._logs)

        def name(text: str) -> str:
            line = self._lines[text]
            by_place = complete and self._random.random() < 0.5
            return f"{line.file}:{line.number}" if by_place else line.stamp

        done = subprocess.run(
            [python, "-c", ASK, *map(str, logs)],
            input=json.dumps([[name(text) for text in pair] for pair in pairs]),
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=True,
        )
        told = [json.loads(line) for line in done.stdout.splitlines()]
        return dict(zip(pairs, [line.get("answer") for line in told], strict=True))

    def _thinned(self, folder: Path, share: float) -> list[Path]:
        """The logs without so many of their lines."""
        folder.mkdir()
        thinned = []
        for log in self._logs:
            lines = [line.written for line in self._written if line.file == log]
            kept = [f"{line}\n" for line in lines if self._random.random() >= share]
            thinned.append(folder / log.name)
            thinned[-1].write_text("".join(kept))
        return thinned


def _named(text: str) -> tuple[str, int]:
    owner, _, number = text.rpartition(" ")
    return owner, int(number)
