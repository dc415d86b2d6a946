"""`lamport order` and its like beside other tools that merge logs, each in turn.

It is asked for a number of rounds and answers with the figures of all of them; it says on
standard error what it leaves out. Every tool writes its lines into a file, which is looked at
afterwards: how many messages arrive in it before they were sent.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import logs

HERE = Path(__file__).parent
LNAV = {
    "lamport_bench": {
        "title": "JSON lines of the benchmark",
        "json": True,
        "file-type": "json",
        "line-format": [{"field": "lamport"}, " ", {"field": "message"}],
        "timestamp-field": "timestamp",
        "level-field": "level",
        "body-field": "message",
        "value": {"lamport": {"kind": "string"}, "message": {"kind": "string"}}
        | {
            name: {"kind": "json", "hidden": True}
            for name in (
                *("lamport_time", "lamport_process", "lamport_instance"),
                *("lamport_after", "logger"),
            )
        },
    }
}


def spent(
    command: list[str], into: Path, environment: dict[str, str]
) -> tuple[float, float, float]:
    """Runs it: seconds, seconds of processor time, mebibytes at the most."""
    with into.open("wb") as output:
        start = time.monotonic()
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.DEVNULL, env=environment
        )
        _, status, usage = os.wait4(process.pid, 0)
        lasted = time.monotonic() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"{command[0]} ended with {process.returncode}")
    return lasted, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def effects_before_causes(output: Path, causes: dict[bytes, list[bytes]]) -> float:
    """Of the messages that arrive, the part of those that arrive before their send."""
    seen: set[bytes] = set()
    arrived = early = 0
    with output.open("rb") as lines:
        for line in lines:
            # The first stamp of a line is its own, in whatever form a tool prints it.
            stamp = re.search(rb"[0-9]+@[a-z]+", line)
            if stamp is None:
                continue
            for sent in causes[stamp.group()]:
                arrived += 1
                early += sent not in seen
            seen.add(stamp.group())
    return early / arrived


def messages(paths: list[str]) -> dict[bytes, list[bytes]]:
    """By stamp: those of the messages that arrived."""
    causes: dict[bytes, list[bytes]] = {}
    for path in paths:
        for line in Path(path).read_text().splitlines():
            entry = json.loads(line)
            arrived = [cause for cause in entry["lamport_after"] if ";at=" in cause]
            causes[entry["lamport"].encode()] = [cause.split(";")[0].encode() for cause in arrived]
    return causes


def behind_the_last_cause(lamport: str, folder: Path) -> list[float]:
    """How long a line is behind its cause, which is written last, in milliseconds."""
    paths = [folder / f"follow-{name}.log" for name in ("api", "billing")]
    for path in paths:
        path.write_text("")
    command = [lamport, "order", "--follow", "--patience", "1m", *map(str, paths)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as follower:
        assert follower.stdout is not None
        waits = []
        for time_ in range(1, 81, 4):
            with paths[1].open("a") as billing:
                billing.write(f"charged {time_ + 2}@billing <{time_}@api;at={time_ + 1}\n")
            # It has been seen, and waits.
            time.sleep(0.1)
            written = time.monotonic()
            with paths[0].open("a") as api:
                api.write(f"asked {time_}@api <{max(time_ - 4, 1)}@api\n")
            follower.stdout.readline()
            follower.stdout.readline()
            waits.append((time.monotonic() - written) * 1000)
        follower.terminate()
    return waits


def compared_runs(lamport: str, folder: Path) -> tuple[float, float]:
    """Two runs of 100,000 events that part at the end: seconds, and seconds of reading alone."""
    runs = []
    for name in ("good", "bad"):
        (folder / name).mkdir(exist_ok=True)
        runs.append([str(path) for path in logs.write(folder / name, 100_000)])
    with Path(runs[1][0]).open("a") as bad:
        bad.write('{"lamport": "999999@api", "message": "it fails"}\n')
    output = folder / "output"
    command = [lamport, "diff", *(",".join(run) for run in runs)]
    reading = spent([lamport, "order", "--clocks", *runs[0], *runs[1]], output, dict(os.environ))
    start = time.monotonic()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return time.monotonic() - start, reading[0]


def main(lamport: str, lines: int) -> None:
    """Answers each number on standard input with so many rounds."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = [str(path) for path in logs.write(folder, lines)]
        home = folder / "home"
        formats = home / ".lnav" / "formats" / "bench"
        formats.mkdir(parents=True)
        (formats / "bench.json").write_text(json.dumps(LNAV))
        environment = {**os.environ, "HOME": str(home)}
        with Path(paths[0]).open() as first, Path(paths[1]).open() as second:
            pair = [json.loads(next(file))["lamport"] for file in (first, second)]
        commands = {
            "cat": ["cat", *paths],
            "lamport order": [lamport, "order", *paths],
            "lamport order --clocks": [lamport, "order", "--clocks", *paths],
            "lamport explain": [lamport, "explain", *pair, *paths],
            "Python merge": [sys.executable, str(HERE / "merge.py"), *paths],
        }
        for tool, arguments in {"hl": ["-P", "-s", "--raw"], "lnav": ["-n"]}.items():
            found = shutil.which(tool)
            if found:
                commands[tool] = [found, *arguments, *paths]
            else:
                print(f"seeing: {tool} is not installed, and left out", file=sys.stderr)
        output = folder / "output"
        for line in sys.stdin:
            figures: dict[str, list[float]] = {}
            for turn in range(int(line)):
                for tool, command in commands.items():
                    # What takes a minute is not worth nine of them.
                    if turn > 1 and figures[f"{tool}, s"][0] > 5:
                        continue
                    lasted, processor, memory = spent(command, output, environment)
                    figures.setdefault(f"{tool}, s", []).append(lasted)
                    figures.setdefault(f"{tool}, s of CPU", []).append(processor)
                    figures.setdefault(f"{tool}, MiB", []).append(memory)
                    if turn == 0 and tool in ("lamport order", "hl", "lnav"):
                        # In a process of its own: a child's memory is at least its parent's.
                        check = [sys.executable, __file__, "check", str(output), *paths]
                        early = float(subprocess.check_output(check))
                        figures[f"{tool}, effects before causes"] = [early]
            figures["follow: behind the last cause, ms"] = behind_the_last_cause(lamport, folder)
            figures["diff of 2 x 100,000 events, s"] = [compared_runs(lamport, folder)[0]]
            print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "check":
        print(effects_before_causes(Path(sys.argv[2]), messages(sys.argv[3:])))
    else:
        main(sys.argv[1], int(sys.argv[2]))
