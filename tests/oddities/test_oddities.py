"""Odd environments, names, addresses, keys, headers and records, in all four faces.

Rust, Python, C and the command: a value or a typed error comes out within the deadline, the same in
each, no secret is printed, and nothing of a neighbour's is touched in etcd.

LAMPORT_ODDITIES_SEED names the seed of the cases, which a failure tells, and LAMPORT_ODDITIES_CASES
says how many.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cases import SECRET, Case, case, plausible
from servers import Etcd

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SEED = os.environ.get("LAMPORT_ODDITIES_SEED", "1")
CASES = int(os.environ.get("LAMPORT_ODDITIES_CASES", "100"))
COMMAND = str(ROOT / "target/debug/lamport")
FACES = {
    "rust": [str(ROOT / "target/debug/examples/oddity")],
    "c": [str(ROOT / "build/oddity")],
    "python": [os.environ.get("LAMPORT_PYTHON", "python3"), "-B", str(HERE / "oddity.py")],
}
LIMIT = 30
"""Seconds for one process on a busy machine. Each of its calls has a deadline of at most 5 s."""
AWAY = {"timeout", "unavailable"}
"""Kinds that depend on how busy the machine is, and leave it open whether something was written."""

Outcomes = dict[str, str]
"""What became of each step: "ok", or the kind of the error."""
Keys = dict[bytes, tuple[bytes, int]]


@pytest.fixture(scope="session")
def etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Etcd]:
    with Etcd(tmp_path_factory.mktemp("etcd"), 1) as etcd:
        yield etcd


@pytest.mark.parametrize("number", range(CASES))
def test_a_value_or_a_typed_error_comes_out(number: int, etcd: Etcd, tmp_path: Path) -> None:
    odd = case(f"{SEED}/{number}", etcd.members[0].address, tmp_path)
    told = f"LAMPORT_ODDITIES_SEED={SEED}, number {number}: {odd}"[:5_000]
    for key in etcd.everything():
        etcd.delete(key)
    for name, value in odd.stored.items():
        etcd.put(name, value)
    outcomes = {}
    for face in [*FACES, "command"]:
        before = etcd.everything()
        outcomes[face] = by_command(odd, told) if face == "command" else by_program(face, odd, told)
        trouble = wrongly_touched(odd, before, etcd.everything(), outcomes[face]["update"])
        assert not trouble, f"{face} touched {trouble}\n{told}"
        put_back(etcd, odd)
    for step in ["update", "extract", "read", "history"]:
        kinds = {face: found[step] for face, found in outcomes.items() if step in found}
        if not AWAY & set(kinds.values()):
            assert len(set(kinds.values())) <= 1, f"{step}: {kinds}\n{told}"


def by_program(face: str, odd: Case, told: str) -> Outcomes:
    arguments = [odd.node, odd.header, *([odd.headers] if face == "python" else [])]
    ran = run([*FACES[face], *arguments], odd, told)
    assert ran.returncode == 0, f"{face} ended with {ran.returncode}: {ran.stderr!r}\n{told}"
    outcomes = dict(line.split() for line in ran.stdout.decode().splitlines())
    opened = outcomes.pop("open")
    if opened != "ok":
        return {"update": opened}
    # In Python a header that does not count is no error.
    outcomes["extract"] = "ok" if outcomes["extract"] == "ok" else "ignored"
    return outcomes


def by_command(odd: Case, told: str) -> Outcomes:
    node = [f"--node={odd.node}"] if odd.node else []
    # Another command first, which changes nothing, whatever it is given.
    reading = random.Random(odd.header).choice(["read", "history", "nodes"])
    outcomes: Outcomes = {}
    for command in [reading, "update"]:
        ran = run([COMMAND, command, "--json", *node], odd, told)
        lines = [json.loads(line) for line in ran.stdout.splitlines()]
        assert ran.returncode in {0, 1, 2}, f"{command} ended with {ran.returncode}\n{told}"
        # `nodes` tells of members that are away, and is done.
        outcomes[command] = "ok" if ran.returncode == 0 else lines[-1]["kind"]
    return {"update": outcomes["update"]}


def run(command: list[str], odd: Case, told: str) -> subprocess.CompletedProcess[bytes]:
    environment = {b"LD_LIBRARY_PATH": os.fsencode(ROOT / "build/c/lib"), **odd.environment}
    try:
        ran = subprocess.run(
            command, env=environment, capture_output=True, stdin=subprocess.DEVNULL, timeout=LIMIT
        )
    except subprocess.TimeoutExpired:
        pytest.fail(f"{command[:3]} did not end within {LIMIT} s\n{told}")
    output = ran.stdout + ran.stderr
    for wrong in [b"panicked", b"Traceback", SECRET.encode()]:
        assert wrong not in output, f"{command[:3]} printed {wrong!r}: {output!r}\n{told}"
    return ran


def wrongly_touched(odd: Case, before: Keys, after: Keys, outcome: str) -> list[bytes]:
    """The keys that should be what they were before an update with this outcome."""
    changed = [key for key in before | after if before.get(key) != after.get(key)]
    if outcome not in {"ok", *AWAY}:
        return changed
    records = {record.encode() for record in odd.keys}
    return [
        key
        for key in changed
        if not odd.may_write(key)
        or (key in records and key in before and not plausible(before[key][0]))
        or (key.endswith(b"/base") and key in before)
    ]


def put_back(etcd: Etcd, odd: Case) -> None:
    now = etcd.everything()
    for key in now.keys() - {key.encode() for key in odd.stored}:
        etcd.delete(key)
    for name, value in odd.stored.items():
        if name.encode() not in now or now[name.encode()][0] != value:
            etcd.put(name, value)


def test_what_is_touched_wrongly_is_found() -> None:
    odd = Case(keys={"/k"})
    before = {b"/k": (b'{"value": 7}', 5), b"/k-old": (b"", 6)}
    good = {**before, b"/k": (b'{"value": 9}', 7), b"/k/base": (b"{}", 7), b"/k/taken/03": (b"", 7)}
    assert wrongly_touched(odd, before, good, "ok") == []
    assert len(wrongly_touched(odd, before, good, "corrupt")) == 3
    for wrong in [b"/k-old", b"/k/other", b"/k/taken/x", b"/k/taken/3/", b"/K", b"\xff"]:
        assert wrongly_touched(odd, before, {**good, wrong: (b"", 9)}, "ok") == [wrong]
    assert wrongly_touched(odd, {**before, b"/k": (b"rubbish", 5)}, good, "ok") == [b"/k"]
    assert wrongly_touched(odd, before, {**good, b"/k-old": (b"", 8)}, "ok") == [b"/k-old"]
