"""What `lamport order` and `explain` say of real processes, held against vector clocks.

None of them logs that it sent or received anything.
"""

from __future__ import annotations

import json
import random
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import grpc
import httpx
from conftest import REPOSITORY
from programs import Program, run
from servers import PATIENCE
from talkers import World
from vectors import Truth, Vector

HERE = Path(__file__).parent
SEED = 1


def plan(chance: random.Random, places: list[str], depth: int = 3) -> list[Any]:
    """Whom a request calls one after the other, and whom these call."""
    calls = chance.choice((0, 1, 1, 2)) if depth else 0
    return [[chance.choice(places), plan(chance, places, depth - 1)] for _ in range(calls)]


def agrees(folder: Path) -> None:
    """Holds the logs in the folder against the vectors there."""
    vectors: dict[str, Vector] = {}
    for file in folder.glob("*.vectors"):
        vectors |= map(json.loads, file.read_text().splitlines())
    Truth(sorted(folder.glob("*.log")), vectors, SEED).agrees(folder)


def test_services_that_call_each_other_are_seen_as_they_were(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    program = str(HERE / "seeing_web.py")
    with ExitStack() as stack, ThreadPoolExecutor(6) as callers:
        services = [
            stack.enter_context(Program(program, name, str(tmp_path)))
            for name in ("shop", "bank", "mill")
        ]
        ports = [service.next_line() for service in services]
        places = [
            f"http://127.0.0.1:{port}/{how}" for port in ports for how in ("threads", "tasks")
        ]

        def call(request: tuple[str, list[Any]]) -> None:
            place, calls = request
            httpx.post(place, json=calls, timeout=PATIENCE).raise_for_status()

        requests = [(chance.choice(places), plan(chance, places)) for _ in range(150)]
        list(callers.map(call, requests))
        for service in services:
            # uvicorn ends by the signal once it has shut down.
            assert service.end(signal.SIGTERM) in (0, -signal.SIGTERM), service.lines
    agrees(tmp_path)


def test_a_queue_and_its_workers_are_seen_as_they_were(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    # One works in threads that share its clock, and one in children that it forks.
    pools = {"bank": "threads", "mill": "prefork"}
    plans = [plan(chance, list(pools)) for _ in range(40)]
    for folder in ("messages", "control"):
        (tmp_path / folder).mkdir()
    variables = {"SEEING_FOLDER": str(tmp_path), "PYTHONPATH": str(HERE)}
    done = run(str(HERE / "seeing_queue.py"), json.dumps(plans), SEEING_NAME="shop", **variables)
    assert done.returncode == 0, done.stderr
    workers: dict[str, Program] = {}
    with ExitStack() as stack:
        for name, pool in pools.items():
            words = f"-m celery -A seeing_queue worker -c 3 -P {pool} -Q {name} -l ERROR"
            words += " --without-gossip --without-mingle --without-heartbeat"
            worker = Program(*words.split(), SEEING_NAME=name, **variables)
            workers[name] = stack.enter_context(worker)
        for name, worker in workers.items():
            for _ in range(json.dumps(plans).count(f'"{name}"')):
                worker.wait_for("done")
        for worker in workers.values():
            assert worker.end(signal.SIGTERM) == 0, worker.lines
    agrees(tmp_path)


def test_servers_of_grpc_are_seen_as_they_were(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    with ExitStack() as stack, ThreadPoolExecutor(6) as callers:
        names = ("shop", "bank", "mill")
        program = str(HERE / "seeing_calls.py")
        servers = [stack.enter_context(Program(program, name, str(tmp_path))) for name in names]
        ports = [server.next_line() for server in servers]
        places = [f"{port}/{method}" for port in ports for method in ("One", "Many")]

        def call(port: str) -> None:
            calls = json.dumps(plan(chance, places)).encode()
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                one: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/Shop/One")
                one(calls, timeout=PATIENCE)

        list(callers.map(call, chance.choices(ports, k=120)))
        for server in servers:
            server.close()
            assert server.end() == 0, server.lines
    agrees(tmp_path)


def test_processes_that_fork_are_seen_as_they_were(tmp_path: Path) -> None:
    talker = [sys.executable, str(REPOSITORY / "tests/support/talker.py")]
    names = ("shop", "bank", "mill", "port")
    with World(tmp_path, dict.fromkeys(names, talker), SEED) as world:
        world.run(2_000, 12, names)
    Truth(world.logs.values(), world.vectors, SEED).agrees(tmp_path)
