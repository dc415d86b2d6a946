"""A campaign of real faults against three real members and nine real clients.

usage: campaign.py [--minutes N] [--seed N] [--folder FOLDER] [--report FILE] ...

Exit status: 0 the promises held, 1 they did not, 2 the run was invalid: too little happened in it
to say so.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nemesis
import report
import stage
from clients import Crowd, Programs, Settings, Workshop
from members import ROOT, USER
from namespaces import LabError
from nemesis import FAULTS, Scene
from records import calls_of
from report import Report, Verdict, Window

SETTINGS = Settings(timeout=3.0, rest=5)
# How many revisions may gather before the history is cleaned away: about 10 MB of them.
GATHERED = 20_000


@dataclass(frozen=True)
class Order:
    """What is to be done."""

    seed: int
    # How long faults come; each kind comes once at least.
    seconds: float
    kinds: Sequence[str]
    programs: Programs
    # Empty: records and logs go there.
    folder: Path
    # Also clients that share the clock as the old script did, in two steps. They break it.
    legacy_writers: bool = False


def run(order: Order) -> Report:
    """One campaign. A LabError where something did not recover."""
    with stage.opened(order.folder, tls=True, quota=stage.SMALL_QUOTA) as place:
        cluster = place.cluster
        cluster.secure()
        workshop = Workshop(place, order.programs, SETTINGS, order.folder, USER)
        watcher = workshop.watcher(ROOT)
        watcher.sustain()
        clients = [make(index) for index in range(3) for make in workshop.languages]
        if order.legacy_writers:
            clients += [workshop.old(index) for index in range(3)]
        crowd = Crowd(clients)
        crowd.start()
        crowd.wait_for_update(0, everyone=True)
        began = time.monotonic_ns()
        windows = attack(order, Scene(place.wires, cluster, place.homes, crowd, watcher))
        crowd.wait_for_update(time.monotonic_ns(), everyone=True)
        ended = time.monotonic_ns()
        crowd.end()
        calls = [call for client in clients for call in calls_of(client.record)]
        # Folds come after it, of which a watch does not tell.
        log = watcher.finish(max(call.revision for call in calls if call.is_acknowledged))
    verdict = check(order.programs.lamport, [client.record for client in clients], log)
    pauses = {client.name: client.pauses for client in clients}
    return report.of(order.seed, SETTINGS, began, ended, windows, calls, pauses, verdict)


def attack(order: Order, scene: Scene) -> list[Window]:
    """One fault after the other, each healed and recovered from before the next."""
    windows: list[Window] = []
    compacted = 0
    began = time.monotonic_ns()
    end = time.monotonic() + order.seconds
    for planned in nemesis.plan(order.seed, list(order.kinds)):
        if time.monotonic() >= end and len(windows) >= len(order.kinds):
            break
        injected = time.monotonic_ns()
        with FAULTS[planned.kind](scene, planned.dice) as detail:
            time.sleep(planned.hold)
            healing = time.monotonic_ns()
        healed = time.monotonic_ns()
        recovered = scene.crowd.wait_for_update(healed)
        windows.append(Window(planned.kind, detail, injected, healing, healed, recovered))
        tell(windows[-1], began)
        scene.cluster.wait_until_well()
        scene.watcher.sustain()
        seen = scene.watcher.seen()
        if seen - compacted > GATHERED:
            scene.cluster.clean(seen)
            compacted = seen
        ended = [one.name for one in scene.cluster.members if one.has_ended()]
        ended += [one.name for one in scene.crowd.clients if one.has_ended()]
        if ended:
            raise LabError(f"ended by themselves after {planned.kind} ({detail}): {ended}")
    return windows


def tell(window: Window, began: int) -> None:
    at, recovery = window.injected - began, window.recovered - window.healed
    print(
        f"{at / 1e9:7.1f} s  {window.kind}: {window.detail}; recovered in {recovery / 1e9:.2f} s",
        flush=True,
    )


def check(lamport: Path, records: Sequence[Path], log: Path) -> Verdict:
    """What the project's own checker says of it all."""
    missed = [line for line in log.read_text().splitlines() if '"notice":"missed"' in line]
    if missed:
        return Verdict(False, f"the log has a hole: {missed[0]}")
    done = subprocess.run(
        [lamport, "check", "--whole", *records, "--log", log],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return Verdict(done.returncode == 0, (done.stdout + done.stderr).strip())


def programs() -> Programs:
    """What the Makefile built, as its variables say."""
    return Programs(
        Path(os.environ["LAMPORT_COMMAND"]),
        Path(os.environ["LAMPORT_PYTHON"]),
        Path(os.environ["LAMPORT_WORKER"]),
    )


def main() -> int:
    words = argparse.ArgumentParser(description="A campaign of real faults.")
    words.add_argument("--minutes", type=float, default=2.0, help="how long faults come")
    words.add_argument("--seed", type=int, help="replays the plan of an earlier campaign")
    words.add_argument("--only", help="these kinds of fault alone, with commas between them")
    words.add_argument("--folder", type=Path, help="where records and logs are kept")
    words.add_argument("--report", type=Path, help="the figures as JSON, into this file")
    given = words.parse_args()
    reason = stage.why_not()
    if reason:
        sys.exit(f"no real faults can be made here: {reason}")
    seed = random.randrange(1_000_000) if given.seed is None else given.seed
    folder = given.folder or Path(tempfile.mkdtemp(prefix="lamport-chaos-"))
    folder.mkdir(parents=True, exist_ok=True)
    kinds = given.only.split(",") if given.only else list(FAULTS)
    print(f"seed {seed}; records and logs are in {folder}", flush=True)
    try:
        found = run(Order(seed, given.minutes * 60, kinds, programs(), folder))
    except LabError as error:
        print(f"BROKEN    {error}\n(seed {seed}, records and logs are in {folder})")
        return 1
    print(f"\n{found}")
    if given.report:
        given.report.write_text(json.dumps(found.as_json(), indent=2) + "\n")
    return 1 if found.broken else 2 if found.invalid else 0


if __name__ == "__main__":
    sys.exit(main())
