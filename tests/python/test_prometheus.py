"""What operators see: the collector for prometheus_client, the command's metrics, the dashboard."""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import pytest
from backgrounds import SHORT, until
from lamport_clock import AsyncSharedClock, SharedClock, Stamp, TooFarAheadError
from lamport_clock.prometheus import Clock, Collector
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from servers import Etcd

# Grafana's own, made of its schemas.
grafana = import_module("grafana_foundation_sdk.models.dashboard")
encoder = import_module("grafana_foundation_sdk.cog.encoder")
DASHBOARD = Path(__file__).parents[2] / "deploy" / "grafana.json"


def exposition(*clocks: Clock) -> str:
    registry = CollectorRegistry()
    registry.register(Collector(*clocks))
    return generate_latest(registry).decode()


def samples(text: str) -> dict[tuple[str, str, str], float]:
    """By name, process and what else there is."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = dict(sample.labels)
            process = labels.pop("process")
            found[sample.name, process, "".join(labels.values())] = sample.value
    return found


@contextmanager
def command() -> Iterator[str]:
    """What `lamport run --metrics` says after an update."""
    arguments = ["run", "--metrics", "0", "--interval", "1m", "--store", "memory:", "--node", "api"]
    script = "import sys; from lamport_clock.__main__ import main; sys.exit(main())"
    process = subprocess.Popen(
        [sys.executable, "-c", script, *arguments], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        address = process.stdout.readline().partition(" ")[2].strip()
        while "api  " not in process.stdout.readline():
            pass
        with urllib.request.urlopen(address, timeout=10) as answer:
            yield answer.read().decode()
    finally:
        process.kill()
        process.communicate()


def test_the_counts_are_those_of_stats(etcd: Etcd, key: str) -> None:
    with SharedClock.connect(etcd.uri(key), node="api") as clock:
        clock.start(SHORT)
        until(lambda: clock.stats().updates >= 3)
        clock.stop()
        with pytest.raises(TooFarAheadError):
            clock.receive(Stamp.parse(f"{2**50}@liar"))
        stats, seen = clock.stats(), samples(exposition(clock))
        assert seen["lamport_updates_total", "api", ""] == stats.updates
        assert seen["lamport_refused_total", "api", ""] == 1
        assert seen["lamport_round_trips_total", "api", ""] == stats.round_trips >= stats.updates
        assert seen["lamport_folds_total", "api", ""] == stats.folds
        assert seen["lamport_distance", "api", ""] == stats.distance == 0
        assert seen["lamport_update_seconds_count", "api", ""] == stats.updates
        assert seen["lamport_update_seconds_sum", "api", ""] == stats.update_time > 0
        assert seen["lamport_update_seconds_bucket", "api", "5.0"] == stats.updates_within[5.0]
        assert seen["lamport_shared_time", "api", ""] == stats.last_value
        assert seen["lamport_local_time", "api", ""] == clock.now()
        assert seen["lamport_running", "api", ""] == 0
        assert seen["lamport_member", "api", clock.location] == 1
        assert stats.since_update is not None
        assert seen["lamport_since_update_seconds", "api", ""] >= stats.since_update


def test_failures_are_counted_by_kind() -> None:
    with SharedClock.open("etcd://127.0.0.1:1", node="api", timeout=0.2) as clock:
        before = samples(exposition(clock))
        assert before["lamport_failures_total", "api", "unavailable"] == 0
        # Nothing is said of what has not happened.
        assert ("lamport_shared_time", "api", "") not in before
        assert ("lamport_since_update_seconds", "api", "") not in before
        clock.start(SHORT)
        until(lambda: clock.stats().failures >= 2)
        clock.stop()
        after = samples(exposition(clock))
        for kind, count in clock.stats().failures_by_kind.items():
            assert after["lamport_failures_total", "api", kind] == count


def test_several_clocks_share_a_collector() -> None:
    text = exposition(SharedClock.memory("api"), AsyncSharedClock.memory("billing"))
    assert text.count("# TYPE lamport_updates_total counter\n") == 1
    seen = samples(text)
    assert {process for _, process, _ in seen} == {"api", "billing"}


def test_the_command_and_the_collector_say_the_same_by_the_same_names() -> None:
    def families(text: str) -> dict[str, tuple[str, str]]:
        found = text_string_to_metric_families(text)
        return {family.name: (family.type, family.documentation) for family in found}

    with command() as text:
        ran = families(text)
    collected = families(exposition(SharedClock.memory("api")))
    both = ran.keys() & collected.keys()
    assert {"lamport_updates", "lamport_failures", "lamport_member"} <= both
    # It counts from the start where there has been no update.
    both -= {"lamport_since_update_seconds"}
    for name in both:
        assert ran[name] == collected[name], name


def test_promtool_finds_nothing_to_say(etcd: Etcd, key: str) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        # The Makefile says it aloud.
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)("there is no promtool")
    with SharedClock.connect(etcd.uri(key), node="api") as clock, command() as ran:
        clock.start(SHORT)
        until(lambda: clock.stats().updates > 0)
        for text in (ran, exposition(clock)):
            said = subprocess.run(
                [promtool, "check", "metrics"],
                input=text,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=60,
            )
            assert (said.returncode, said.stdout) == (0, "")


def test_the_dashboard_shows_what_there_is() -> None:
    with command() as text:
        known = set(re.findall(r"^(lamport_\w+)[{ ]", text, re.MULTILINE))
    with SharedClock.memory("api") as clock:
        clock.start(SHORT)
        until(lambda: clock.stats().updates > 0)
        collected = exposition(clock)
    known |= set(re.findall(r"^(lamport_\w+)[{ ]", collected, re.MULTILINE))
    dashboard = json.loads(DASHBOARD.read_text())
    queries = [
        target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])
    ]
    queries += [each["query"] for each in dashboard["templating"]["list"] if "query" in each]
    named = set(re.findall(r"lamport_\w+", " ".join(queries)))
    assert named <= known, named - known
    assert len(named) >= 10
    # What Grafana needs of each panel, beyond its schema:
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
    source = {"type": "prometheus", "uid": "${datasource}"}
    variables = {each["name"]: each for each in dashboard["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    used = set(re.findall(r"\$(?!_)(\w+)", " ".join(queries)))
    assert used <= variables.keys()
    for panel in dashboard["panels"]:
        assert panel["type"] in {"timeseries", "table"}
        assert panel["datasource"] == source
        assert panel["title"] and panel["gridPos"].keys() == {"h", "w", "x", "y"}
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
        references = [target["refId"] for target in panel["targets"]]
        assert len(set(references)) == len(references) > 0
        assert all(target["datasource"] == source for target in panel["targets"])
    places = [panel["gridPos"] for panel in dashboard["panels"]]
    for one, other in itertools.combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        assert beside or one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]


def test_the_dashboard_is_of_grafanas_schema() -> None:
    text = DASHBOARD.read_text()
    read = grafana.Dashboard.from_json(json.loads(text))
    back = json.loads(encoder.JSONEncoder().encode(read))
    assert within(json.loads(text), back) is None
    spoiled = {**json.loads(text), "panles": []}
    assert within(spoiled, json.loads(encoder.JSONEncoder().encode(read))) == ".panles"


def within(part: object, whole: object) -> str | None:
    """Where something stands in the one that the other lost."""
    if isinstance(part, dict) and isinstance(whole, dict):
        steps = [(f".{name}", value, whole.get(name)) for name, value in part.items()]
    elif isinstance(part, list) and isinstance(whole, list) and len(part) == len(whole):
        steps = [(f"[{i}]", *both) for i, both in enumerate(zip(part, whole, strict=True))]
    else:
        return None if part == whole else ""
    for step, value, other in steps:
        if (lost := within(value, other)) is not None:
            return step + lost
    return None
