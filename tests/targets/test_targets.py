"""What is handed out for each target, run: wheels by bare Pythons, the command in an empty root."""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from conftest import TARGETS
from servers import PATIENCE, Etcd

REPOSITORY = Path(__file__).resolve().parents[2]
RELEASE = REPOSITORY / "dist/release"
TOOLS = REPOSITORY / ".tools/targets"
QEMU = TOOLS / "arm64/qemu-aarch64-static"
# Under qemu everything takes ten times as long; only a failure waits this long.
SLOWLY = 4 * PATIENCE
README = re.compile(r"^```python\n(.*?)^```$", re.M | re.S)
# The values, an update on a real etcd from threads and from asyncio, and what a border must refuse.
CALLS = """
import asyncio, os, sys
from lamport_clock import AsyncSharedClock, SharedClock, Stamp, TooFarAheadError
uri = sys.argv[1]
with SharedClock.connect(uri, node="a") as clock:
    assert clock.update().value == 2
    assert clock.receive("41@b") == Stamp(42, "a", clock.instance)
    assert Stamp.parse("7@z") < Stamp.parse("42@a") < Stamp.parse("42@b")
    try:
        clock.receive(f"{2**52}@b")
        raise SystemExit("a message from far ahead was believed")
    except TooFarAheadError:
        pass
    async def updates():
        async with await AsyncSharedClock.connect(uri, node="b") as other:
            three = await asyncio.gather(*(other.update() for _ in "123"))
            return [update.value for update in three]
    # How many travel as one, and so which come later, is the machine's speed.
    first, second, third = sorted(asyncio.run(updates()))
    assert first == 3 < second < third
    child = os.fork()
    if not child:
        os._exit(clock.update().value)
    # 42 was received: the child is one tick past it, and takes the next.
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 44
"""
# It ends while threads and a loop wait for answers.
LEAVES = """
import asyncio, sys, threading
from lamport_clock import AsyncSharedClock, SharedClock
uri = sys.argv[1]
clock = SharedClock.connect(uri, node="a")
watch, begun = clock.watch(), threading.Event()
def updates():
    while True:
        clock.update()
        begun.set()
threading.Thread(target=lambda: list(watch), daemon=True).start()
threading.Thread(target=updates, daemon=True).start()
async def leaves():
    other = await AsyncSharedClock.connect(uri, node="b")
    calls = [asyncio.ensure_future(other.update()) for _ in range(9)]
    await calls[0]
    begun.wait()
    sys.exit(7)
asyncio.run(leaves())
"""


def artefacts(target: str) -> list[Path]:
    """What there is for a target."""
    machine, _, libc = target.partition("-unknown-linux-")
    policy = {"gnu": "manylinux", "musl": "musllinux"}[libc]
    return [*RELEASE.glob(f"*{policy}*_{machine}.whl"), *RELEASE.glob(f"lamport-*-{target}")]


def interpreter(target: str) -> list[str]:
    """A Python for a target with nothing installed; skips where there is none."""
    if target == f"{platform.machine()}-unknown-linux-gnu":
        return [sys.executable]
    if target == "aarch64-unknown-linux-gnu" and QEMU.exists():
        root = TOOLS / "arm64/root"
        return [str(QEMU), "-L", str(root), str(root / "usr/bin/python3.11")]
    python = TOOLS / target / "bin/python3"
    if target == "aarch64-unknown-linux-musl":
        pytest.skip("its wheel in a Python: there is none on musl for arm64")
    if not python.exists():
        pytest.skip("its wheel in a Python, which `make anywhere` fetches or builds")
    return [str(python)]


@pytest.fixture(scope="module", params=TARGETS)
def target(request: pytest.FixtureRequest) -> str:
    target = str(request.param)
    if not artefacts(target):
        pytest.skip("not built: `make anywhere` does")
    return target


@pytest.fixture(scope="module")
def etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Etcd]:
    with Etcd(tmp_path_factory.mktemp("etcd"), 1) as etcd:
        yield etcd


@pytest.fixture(scope="module")
def python(target: str, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A command that runs a program, the next argument, with what pip chose among all wheels."""
    python = interpreter(target)
    pip = importlib.util.find_spec("pip")
    assert pip is not None
    assert pip.origin is not None
    installed = tmp_path_factory.mktemp("installed")
    words = ["install", "--quiet", "--no-index", "--find-links", str(RELEASE)]
    ran(
        [*python, "-S", "-m", "pip", *words, "--target", str(installed), "lamport-clock"],
        {"PYTHONPATH": str(Path(pip.origin).parents[1])},
    )
    [about] = installed.glob("lamport_clock-*.dist-info/WHEEL")
    machine, _, libc = target.partition("-unknown-linux-")
    policy = "musllinux_1_2" if libc == "musl" else "manylinux_2_17"
    assert f"Tag: cp310-abi3-{policy}_{machine}\n" in about.read_text() + "\n"
    # Isolated, and without site: no other package is to be found.
    first = f"import sys; sys.path.insert(0, {str(installed)!r}); exec(sys.argv.pop(1))"
    return [*python, "-I", "-S", "-c", first]


def ran(command: list[str], env: Mapping[str, str] | None = None, code: int = 0) -> str:
    """What a program wrote, which has to end with this code; it finds no variable but these."""
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=SLOWLY, check=False, env=env or {}
    )
    assert done.returncode == code, f"{command}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def test_each_file_is_what_its_name_says(target: str) -> None:
    check = [sys.executable, str(REPOSITORY / "scripts/check_artifact.py"), target]
    for path in artefacts(target):
        ran([*check, str(path)], os.environ)


def test_pip_chooses_the_wheel_and_the_readme_runs(python: list[str]) -> None:
    blocks = README.findall((REPOSITORY / "README.md").read_text())
    assert blocks
    for block in blocks:
        assert ran([*python, block]).startswith("1@api 58@api ")


def test_calls_reach_a_real_etcd(python: list[str], target: str, etcd: Etcd) -> None:
    ran([*python, CALLS, etcd.uri(f"/calls-{target}")])


def test_it_ends_with_calls_under_way(python: list[str], target: str, etcd: Etcd) -> None:
    ran([*python, LEAVES, etcd.uri(f"/leaves-{target}")], code=7)


@pytest.mark.parametrize("target", [t for t in TARGETS if t.endswith("-musl")], indirect=True)
def test_the_command_runs_alone_in_an_empty_root(target: str, etcd: Etcd, tmp_path: Path) -> None:
    commands = [path for path in artefacts(target) if path.suffix != ".whl"]
    assert commands, f"make binary TARGET={target}"
    shutil.copy(commands[0], tmp_path / "lamport")
    begin = ["unshare", *([] if os.geteuid() == 0 else ["-r"]), "-R", str(tmp_path), "-w", "/"]
    begin[0] = shutil.which("unshare") or pytest.skip("the command, for want of unshare")
    if not target.startswith(platform.machine()):
        if not QEMU.exists():
            pytest.skip("the command, for want of qemu: `make anywhere` has it")
        shutil.copy(QEMU, tmp_path / "qemu")
        begin.append("/qemu")
    lamport = [*begin, "/lamport"]
    assert f"-{ran([*lamport, '--version']).split()[1]}-" in commands[0].name
    assert "no value repeated" in ran([*lamport, "demo"])
    update = ran([*lamport, "update", "--json", "--node=a", f"--store={etcd.uri(f'/{target}')}"])
    assert '"value":2,' in update
