"""``scripts/start_etcd.sh``: which node it starts, with which data, and how."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest
from machine import (
    DEFAULT_CLUSTER,
    SCRIPT,
    Machine,
    flag,
    refusal,
    script_file,
    started_with,
)

# --- the script itself ---------------------------------------------------------------------------


@pytest.mark.parametrize("shell", ["sh", "dash", "bash"])
def test_every_shell_can_read_it(shell: str) -> None:
    found = shutil.which(shell)
    if not found:
        pytest.skip(f"no {shell} here")
    subprocess.run([found, "-n", SCRIPT], check=True, timeout=10)


def test_shellcheck_finds_nothing() -> None:
    found = shutil.which("shellcheck")
    if not found:
        pytest.skip("no shellcheck on PATH")
    result = subprocess.run([found, SCRIPT], capture_output=True, text=True, timeout=30)
    assert result.returncode == 0, result.stdout


# --- which node ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("node", "ip"),
    [("mx-nodel", "172.21.0.10"), ("mx-nodel2", "172.21.0.11"), ("mx-nodel3", "172.21.0.12")],
)
def test_each_node_gets_its_own_address(machine: Machine, node: str, ip: str) -> None:
    result = machine.with_etcd().run(NODE_NAME=node)
    args = started_with(result)
    assert flag(args, "name") == node
    assert flag(args, "listen-client-urls") == "http://0.0.0.0:2379"
    assert flag(args, "advertise-client-urls") == f"http://{ip}:2379"
    assert flag(args, "listen-peer-urls") == "http://0.0.0.0:2380"
    assert flag(args, "initial-advertise-peer-urls") == f"http://{ip}:2380"
    assert flag(args, "initial-cluster") == DEFAULT_CLUSTER
    assert flag(args, "initial-cluster-token") == "etcd-cluster-1"
    assert flag(args, "initial-cluster-state") == "new"
    assert flag(args, "data-dir") == str(machine.data)
    assert f"{node} at {ip}:" in result.stdout


def test_compaction_is_on_and_the_quota_is_said(machine: Machine) -> None:
    result = machine.with_etcd().run()
    args = started_with(result)
    assert flag(args, "auto-compaction-mode") == "revision"
    assert flag(args, "auto-compaction-retention") == "20000"
    assert flag(args, "quota-backend-bytes") == str(2 * 1024**3)
    assert "quota 2 GiB" in result.stdout


def test_lamport_nodes_replaces_the_map(machine: Machine) -> None:
    nodes = "a=10.0.0.1, b=db.example.org:12379 ,c=10.0.0.3"
    args = started_with(machine.with_etcd().run(NODE_NAME="b", LAMPORT_NODES=nodes))
    assert flag(args, "listen-client-urls") == "http://0.0.0.0:12379"
    assert flag(args, "advertise-client-urls") == "http://db.example.org:12379"
    assert flag(args, "initial-advertise-peer-urls") == "http://db.example.org:2380"
    assert flag(args, "initial-cluster") == (
        "a=http://10.0.0.1:2380,b=http://db.example.org:2380,c=http://10.0.0.3:2380"
    )


@pytest.mark.parametrize(("at", "port"), [("[fd00::1]", 2379), ("[fd00::1]:12379", 12379)])
def test_an_ipv6_node_listens_on_ipv6(machine: Machine, at: str, port: int) -> None:
    args = started_with(machine.with_etcd().run(NODE_NAME="a", LAMPORT_NODES=f"a={at}"))
    assert flag(args, "listen-client-urls") == f"http://[::]:{port}"
    assert flag(args, "advertise-client-urls") == f"http://[fd00::1]:{port}"
    assert flag(args, "listen-peer-urls") == "http://[::]:2380"
    assert flag(args, "initial-cluster") == "a=http://[fd00::1]:2380"


@pytest.mark.parametrize("node", [None, ""])
def test_a_missing_node_name_lists_the_known_ones(machine: Machine, node: str | None) -> None:
    line = refusal(machine.with_etcd().run(NODE_NAME=node), status=2)
    assert "NODE_NAME is not set" in line
    for known in ("mx-nodel (172.21.0.10)", "mx-nodel2 (172.21.0.11)", "mx-nodel3 (172.21.0.12)"):
        assert known in line


@pytest.mark.parametrize(
    "node", ["mx-node", "mx-nodel4", "MX-NODEL", "mx nodel", "*", "172.21.0.10"]
)
def test_an_unknown_node_name_lists_the_known_ones(machine: Machine, node: str) -> None:
    line = refusal(machine.with_etcd().run(NODE_NAME=node), status=2)
    assert f"NODE_NAME='{node}' is not a known node" in line
    assert "mx-nodel2 (172.21.0.11)" in line
    assert not machine.data.exists()


@pytest.mark.parametrize(
    ("nodes", "why"),
    [
        ("mx-nodel", "has no '='"),
        ("mx-nodel=10.0.0.1,", "an entry is empty"),
        ("mx-nodel=10.0.0.1,,b=10.0.0.2", "an entry is empty"),
        (" ", "an entry is empty"),
        ("=10.0.0.1", "no valid name"),
        ("mx nodel=10.0.0.1", "no valid name"),
        ("mx-nodel=", "no valid host"),
        ("mx-nodel=:2379", "no valid host"),
        ("mx-nodel=http://10.0.0.1", "no valid port"),
        ("mx-nodel=10.0.0.1/x", "no valid host"),
        ("mx-nodel=10.0.0.1:", "no valid port"),
        ("mx-nodel=10.0.0.1:x", "no valid port"),
        ("mx-nodel=10.0.0.1:0", "no valid port"),
        ("mx-nodel=10.0.0.1:65536", "no valid port"),
        ("mx-nodel=10.0.0.1:99999999999999999999", "no valid port"),
        ("mx-nodel=fe80::1", "no valid host"),
        ("mx-nodel=[fe80::1", "no valid host"),
        ("mx-nodel=[db.example.org]", "no valid host"),
        ("mx-nodel=[]:2379", "no valid host"),
        ("mx-nodel=[fe80::1]x", "no valid host"),
        ("mx-nodel=10.0.0.1:2380", "which the members need"),
        ("mx-nodel=10.0.0.1,mx-nodel=10.0.0.2", "'mx-nodel' appears twice"),
        ("mx-nodel=10.0.0.1,b=10.0.0.1", "host '10.0.0.1' appears twice"),
        ("mx-nodel=10.0.0.1;b=10.0.0.2", "no valid host"),
        ("mx-nodel=$(id)", "no valid host"),
    ],
)
def test_malformed_lamport_nodes_are_refused(machine: Machine, nodes: str, why: str) -> None:
    line = refusal(machine.with_etcd().run(LAMPORT_NODES=nodes), status=2)
    assert f"LAMPORT_NODES='{nodes}'" in line
    assert why in line
    assert "wanted: name=host[:port]" in line


# --- the environment and the arguments etcd gets -------------------------------------------------


def test_etcd_sees_none_of_our_variables(machine: Machine) -> None:
    """etcd takes ETCD_VERSION for its flag --version and would stop at "3.5.6"."""
    result = machine.with_etcd().run(ETCD_VERSION="3.5.6", ETCD_LOG_LEVEL="warn")
    started_with(result)
    around = [line for line in result.stdout.splitlines() if line.startswith("env ETCD_")]
    assert around == ["env ETCD_LOG_LEVEL=warn"]


def test_variables_of_flags_that_are_given_are_left_out_with_a_word(machine: Machine) -> None:
    """etcd refuses to start with both, also where the variable is empty."""
    args = started_with(machine.with_etcd().run())
    flags = [arg.removeprefix("--") for arg in args if arg.startswith("--")]
    flags += ["config-file", "discovery", "discovery-srv"]
    twins = [f"ETCD_{flag.upper().replace('-', '_')}" for flag in flags if flag != "data-dir"]
    assert "ETCD_NAME" in twins and len(twins) == 14
    for value in ("other", ""):
        result = machine.run(**dict.fromkeys(twins, value))
        assert result.returncode == 0
        assert "env ETCD_" not in result.stdout
        said = [line.split()[2] for line in result.stderr.splitlines()]
        assert said == twins
        assert "start_etcd: warning: ETCD_NAME is left out" in result.stderr


@pytest.mark.parametrize("argument", ["--log-level=warn", "-log-level=warn", "--log-level"])
def test_variables_of_further_arguments_are_left_out_as_well(
    machine: Machine, argument: str
) -> None:
    result = machine.with_etcd().run(argument, ETCD_LOG_LEVEL="info", ETCD_PRE_VOTE="true")
    around = [line for line in result.stdout.splitlines() if line.startswith("env ETCD_")]
    assert around == ["env ETCD_PRE_VOTE=true"]
    assert "ETCD_LOG_LEVEL is left out" in result.stderr


def test_an_argument_that_is_no_flag_is_handed_on(machine: Machine) -> None:
    args = started_with(machine.with_etcd().run("--a$(id)=b", "-", "--", "x;y"))
    assert args[-4:] == ["--a$(id)=b", "-", "--", "x;y"]


@pytest.mark.parametrize(
    ("version", "mended"),
    [
        ("3.4.23", "3.5.33"),
        ("3.5.6", "3.5.33"),
        ("3.5.32", "3.5.33"),
        ("3.5.33", None),
        ("3.5.100", None),
        ("3.6.0-rc.1", "3.6.14"),
        ("3.6.14", None),
        ("3.7.0", "3.7.1"),
        ("3.8.0", None),
    ],
)
def test_a_version_with_known_faults_says_which_one_to_move_to(
    machine: Machine, version: str, mended: str | None
) -> None:
    result = machine.with_etcd(version).run(ETCD_VERSION=version)
    started_with(result)
    assert ("known faults" in result.stdout) == (mended is not None)
    if mended:
        assert f"etcd {version} has known faults: move to {mended} or later" in result.stdout


def test_further_arguments_come_last(machine: Machine) -> None:
    args = started_with(machine.with_etcd().run("--log-level=warn", "--name=two words"))
    assert args[-2:] == ["--log-level=warn", "--name=two words"]


def test_etcd_takes_the_place_of_the_shell(machine: Machine) -> None:
    machine.with_etcd()
    shell = subprocess.Popen(machine.command(), env=machine.env, stdout=subprocess.PIPE, text=True)
    out, _ = shell.communicate(timeout=30)
    assert f"pid {shell.pid}\n" in out


# --- the data directory --------------------------------------------------------------------------


def test_the_data_directory_is_made_private(machine: Machine) -> None:
    deep = machine.data / "deep"
    started_with(machine.with_etcd().run(ETCD_DATA_DIR=str(deep)))
    assert deep.stat().st_mode & 0o777 == 0o700


def test_an_empty_volume_is_made_private_and_a_used_one_left_alone(machine: Machine) -> None:
    machine.data.mkdir(mode=0o755)
    started_with(machine.with_etcd().run())
    assert machine.data.stat().st_mode & 0o777 == 0o700
    (machine.data / "something").touch()
    machine.data.chmod(0o750)
    started_with(machine.run())
    assert machine.data.stat().st_mode & 0o777 == 0o750


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o770, 0o702])
def test_data_that_others_can_write_stops_it(machine: Machine, mode: int) -> None:
    machine.data.mkdir()
    (machine.data / "something").touch()
    machine.data.chmod(mode)
    line = refusal(machine.with_etcd().run())
    assert f"others can write into {machine.data} (d" in line
    assert f"chmod 0700 {machine.data}" in line
    assert machine.data.stat().st_mode & 0o7777 == mode
    # Not by way of a link either.
    link = machine.tools.parent / "link"
    link.symlink_to(machine.data)
    assert "others can write" in refusal(machine.run(ETCD_DATA_DIR=str(link)))


def test_data_of_another_user_stops_it(machine: Machine) -> None:
    machine.data.mkdir()
    (machine.tools / "id").unlink()
    script_file(machine.tools / "id", "#!/bin/sh\necho 4711\n")
    line = refusal(machine.with_etcd().run())
    assert f"{machine.data} belongs to user {os.getuid()}, and this runs as user 4711" in line
    assert "ETCD_DATA_DIR" in line


def test_a_data_directory_that_cannot_be_made_stops_it(machine: Machine) -> None:
    machine.data.write_text("a file")
    line = refusal(machine.with_etcd().run())
    assert f"cannot make {machine.data}" in line
    assert "ETCD_DATA_DIR" in line


def test_a_restart_with_data_rejoins(machine: Machine) -> None:
    wal = machine.data / "member" / "wal"
    wal.mkdir(parents=True)
    (wal / "0000000000000000-0000000000000000.wal").touch()
    result = machine.with_etcd().run()
    assert flag(started_with(result), "initial-cluster-state") == "existing"
    assert "rejoining" in result.stdout


def test_a_start_cut_short_before_the_log_bootstraps_again(machine: Machine) -> None:
    """etcd makes member/ first and its log in wal.tmp: neither is a membership yet."""
    (machine.data / "member" / "wal.tmp").mkdir(parents=True)
    (machine.data / "member" / "snap").mkdir()
    assert flag(started_with(machine.with_etcd().run()), "initial-cluster-state") == "new"
