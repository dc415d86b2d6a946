"""The lines of several logs in one order."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from orders import merge
from programs import run


def test_lines_of_several_logs_come_in_one_order() -> None:
    plain = ["started 1@b", "asked 5@b", "  Traceback", "  KeyError: 5", "done 12@b"]
    other = ["started 1@a", "served 6@a", '{"lamport": "7@a", "message": "json"}', "12 12@a"]
    assert merge(plain, other) == [
        "started 1@a",
        "started 1@b",
        "asked 5@b",
        "  Traceback",
        "  KeyError: 5",
        "served 6@a",
        '{"lamport": "7@a", "message": "json"}',
        "12 12@a",
        "done 12@b",
    ]


def test_two_lives_of_a_process_are_kept_apart() -> None:
    def line(time: int, instance: int) -> str:
        return json.dumps({"lamport": f"{time}@a", "lamport_instance": f"{instance:016x}"})

    assert merge([line(1, 2), line(2, 2)], [line(1, 1), "2@a;instance=0000000000000001"]) == [
        line(1, 1),
        line(1, 2),
        "2@a;instance=0000000000000001",
        line(2, 2),
    ]


@pytest.mark.parametrize(
    "line",
    [
        "",
        "   ",
        "no stamp",
        "-1@a",
        "1.5@a",
        f"{2**53}@a",
        "\uff14@a",
        "{",
        "{}",
        "[1]",
        '{"lamport": 5}',
        '{"lamport": "-"}',
        '{"lamport": "1@a", "x": ' + "[" * 100_000,
        '{"lamport_time": ' + "9" * 5_000 + "}",
        "x" * 1_000_000,
    ],
    ids=lambda line: f"{line!a:.30}",
)
def test_a_line_without_a_stamp_stays_where_it_was(line: str) -> None:
    assert merge(["9@b"], [line, "5@a", line, "10@a"]) == [line, "5@a", line, "9@b", "10@a"]


def test_the_command_prints_lines_byte_for_byte(tmp_path: Path) -> None:
    a, b = tmp_path / "a.log", tmp_path / "b.log"
    a.write_bytes(b"\xff\xfe odd\x0bbytes\r 2@a\nlast 9@a")
    b.write_bytes("b\u00fcro \u2028 1@b\n".encode())
    script = """
import subprocess, sys
command = [sys.executable, "-m", "lamport_clock.logging", *sys.argv[1:]]
done = subprocess.run(command, stdin=open(sys.argv[1]), capture_output=True)
print(done.returncode, done.stdout)
"""
    expected = "b\u00fcro \u2028 1@b\n".encode() + b"\xff\xfe odd\x0bbytes\r 2@a\nlast 9@a\n"
    assert run("-c", script, str(a), str(b)).stdout == f"0 {expected!r}\n"
    done = run("-m", "lamport_clock.logging", str(tmp_path / "none.log"))
    assert done.returncode == 2 and "No such file" in done.stderr
    done = run("-m", "lamport_clock.logging")
    assert done.returncode == 2 and "FILE" in done.stderr


def test_the_command_ends_when_nobody_reads_on(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("".join(f"{'x' * 100} {time}@a\n" for time in range(10_000)))
    script = """
import subprocess, sys
command = [sys.executable, "-m", "lamport_clock.logging", sys.argv[1]]
process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
process.stdout.readline()
process.stdout.close()
print(process.wait(), process.stderr.read())
"""
    assert run("-c", script, str(log)).stdout == "0 b''\n"
