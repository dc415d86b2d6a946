"""``scripts/start_etcd.sh``: how it finds or fetches etcd, and the packages it needs."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import subprocess
import threading
import time

import pytest
from machine import (
    UNKNOWN,
    Machine,
    Server,
    fake_apt,
    fake_etcd,
    nothing_installed,
    refusal,
    script_file,
    started_with,
)
from release import BINARIES, architecture, make_release

# --- an etcd that is already here ----------------------------------------------------------------


def test_an_etcd_of_that_version_is_used_as_it_is(machine: Machine, server: Server) -> None:
    script_file(machine.tools / "apt-get", "#!/bin/sh\nexit 99\n")
    result = machine.with_etcd("3.4.9").run(ETCD_VERSION="3.4.9")
    started_with(result)
    assert f"using etcd 3.4.9, already here as {machine.tools}/etcd" in result.stdout
    assert server.asked == []
    assert machine.left_over() == []
    assert "apt-get" not in result.stdout
    assert "installing" not in result.stdout


def test_an_etcd_of_another_version_is_not(machine: Machine) -> None:
    machine.with_etcd("3.5.60").release()
    result = machine.run()
    started_with(result)
    assert "is version 3.5.60; 3.5.6 is wanted" in result.stdout
    assert f"installed etcd 3.5.6 in {machine.bin}" in result.stdout


def test_a_second_start_downloads_nothing(machine: Machine, server: Server) -> None:
    machine.add_tool("curl")
    machine.release()
    started_with(machine.run())
    asked = list(server.asked)
    assert len(asked) == 1
    result = machine.run()
    started_with(result)
    assert f"already here as {machine.bin}/etcd" in result.stdout
    assert server.asked == asked


def test_something_called_etcd_that_does_not_run_is_replaced(machine: Machine) -> None:
    machine.bin.mkdir()
    script_file(machine.bin / "etcd", "#!/bin/sh\nexit 1\n")
    machine.release()
    result = machine.run()
    started_with(result)
    assert "is version unknown; 3.5.6 is wanted" in result.stdout


# --- the download --------------------------------------------------------------------------------


def test_from_a_directory(machine: Machine) -> None:
    machine.release()
    # No package is needed to copy a file, so not even a package manager that works is asked.
    script_file(machine.tools / "apt-get", "#!/bin/sh\nexit 99\n")
    result = machine.run()
    started_with(result)
    assert machine.left_over() == sorted(BINARIES)
    for name in BINARIES:
        status = (machine.bin / name).stat()
        assert status.st_mode & 0o777 == 0o755
        assert status.st_uid == os.getuid()
    assert "apt-get" not in result.stdout


@pytest.mark.parametrize("tool", ["curl", "wget"])
def test_over_http_with_either_tool(machine: Machine, server: Server, tool: str) -> None:
    machine.add_tool(tool)
    machine.release()
    started_with(machine.run(ETCD_MIRROR=server.url + "/"))
    assert server.asked == [f"/releases/v3.5.6/etcd-v3.5.6-linux-{architecture()}.tar.gz"]
    assert machine.left_over() == sorted(BINARIES)


def test_the_default_source_and_version_are_the_official_ones(machine: Machine) -> None:
    """A curl that only says what it was asked for stands in for the network."""
    script_file(machine.tools / "curl", '#!/bin/sh\necho "offline: $*" >&2\nexit 6\n')
    line = refusal(machine.run(ETCD_MIRROR=None))
    at = "https://github.com/etcd-io/etcd/releases/download/v3.5.6"
    assert f"could not download {at}/etcd-v3.5.6-linux-{architecture()}.tar.gz" in line
    assert "--proto =https --proto-redir =https" in line


@pytest.mark.parametrize(
    ("machine_word", "arch"),
    [
        ("x86_64", "amd64"),
        ("aarch64", "arm64"),
        ("arm64", "arm64"),
        ("ppc64le", "ppc64le"),
        ("s390x", "s390x"),
    ],
)
def test_the_architecture_is_the_machines(machine: Machine, machine_word: str, arch: str) -> None:
    (machine.tools / "uname").unlink()
    script_file(machine.tools / "uname", f"#!/bin/sh\necho {machine_word}\n")
    machine.release(arch=arch)
    result = machine.run()
    started_with(result)
    assert f"etcd-v3.5.6-linux-{arch}.tar.gz" in result.stdout


def test_an_unknown_architecture_stops_it(machine: Machine) -> None:
    (machine.tools / "uname").unlink()
    script_file(machine.tools / "uname", "#!/bin/sh\necho armv7l\n")
    machine.release()
    line = refusal(machine.run())
    assert "'armv7l'" in line
    assert "x86_64, aarch64, ppc64le and s390x" in line


@pytest.mark.parametrize("version", [UNKNOWN, f"v{UNKNOWN}"])
def test_another_version(machine: Machine, version: str) -> None:
    machine.release(UNKNOWN)
    result = machine.run(ETCD_VERSION=version)
    started_with(result)
    assert "installed etcd 3.5.9" in result.stdout


@pytest.mark.parametrize("version", ["latest/..", "3.5.6 ", "v", "../3"])
def test_a_version_that_is_none(machine: Machine, version: str) -> None:
    assert "is not a version" in refusal(machine.run(ETCD_VERSION=version), status=2)


def test_a_missing_release_stops_it(machine: Machine, server: Server) -> None:
    machine.add_tool("curl")
    line = refusal(machine.run())
    assert f"could not download {server.url}/v3.5.6/etcd-v3.5.6-linux" in line
    assert "404" in line
    assert "ETCD_MIRROR" in line
    nothing_installed(machine)


@pytest.mark.parametrize("tool", ["curl", "wget"])
def test_nobody_listening_stops_it(machine: Machine, tool: str) -> None:
    machine.add_tool(tool)
    with socket.socket() as taken:
        # Bound and not listening: connections are refused, and nobody else gets the port.
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        line = refusal(machine.run(ETCD_MIRROR=url))
    assert f"could not download {url}/v3.5.6/etcd-v3.5.6-linux" in line
    nothing_installed(machine)


def test_a_download_cut_short_stops_it(machine: Machine, server: Server) -> None:
    machine.add_tool("curl")
    machine.release()
    server.cut_short = True
    line = refusal(machine.run())
    assert "could not download" in line
    assert ".tar.gz" in line
    nothing_installed(machine)


def test_a_missing_tarball_in_a_directory_stops_it(machine: Machine) -> None:
    tarball, _ = machine.release()
    tarball.unlink()
    line = refusal(machine.run())
    assert f"could not download {tarball}" in line
    assert "No such file" in line
    nothing_installed(machine)


def test_a_mirror_that_is_neither_url_nor_directory_stops_it(machine: Machine) -> None:
    line = refusal(machine.run(ETCD_MIRROR="/no/such/place"), status=2)
    assert "ETCD_MIRROR='/no/such/place' is neither an http(s) URL nor a directory" in line
    nothing_installed(machine)


def test_no_download_tool_stops_it(machine: Machine, server: Server) -> None:
    machine.release()
    result = machine.run()
    assert "neither curl nor wget is here" in refusal(result)
    assert "no apt-get here to install wget curl net-tools; going on without" in result.stdout
    nothing_installed(machine)


def test_a_wrong_checksum_stops_it(machine: Machine) -> None:
    tarball, sums = machine.release(UNKNOWN)
    wrong = "1" * 64
    sums.write_text(f"{wrong}  {tarball.name}\n")
    line = refusal(machine.run(ETCD_VERSION=UNKNOWN))
    assert f"wrong checksum of {tarball}: {sums} says {wrong}" in line
    nothing_installed(machine)


@pytest.mark.parametrize(("word", "sum"), [("x86_64", "4db32e3b"), ("aarch64", "888e25c9")])
def test_the_default_release_must_be_the_one_that_the_script_knows(
    machine: Machine, word: str, sum: str
) -> None:
    """Not even a source that gives its own list of checksums can have another one run."""
    (machine.tools / "uname").unlink()
    script_file(machine.tools / "uname", f"#!/bin/sh\necho {word}\n")
    machine.release(arch="amd64" if word == "x86_64" else "arm64")
    line = refusal(machine.run(ETCD_SHA256=None))
    assert "wrong checksum" in line
    assert f"this script says {sum}" in line
    nothing_installed(machine)


def test_a_checksum_that_is_given_comes_before_any_other(machine: Machine) -> None:
    _, sums = machine.release(UNKNOWN)
    line = refusal(machine.run(ETCD_VERSION=UNKNOWN, ETCD_SHA256="2" * 64))
    assert f"ETCD_SHA256 says {'2' * 64}" in line
    nothing_installed(machine)
    sums.unlink()
    machine.release("3.5.8")
    started_with(machine.run(ETCD_VERSION="3.5.8"))


@pytest.mark.parametrize("given", ["4db32e3b", "4" * 6, "4" * 65, "G" * 64, "A" * 64, " " * 64])
def test_a_checksum_that_is_none(machine: Machine, given: str) -> None:
    line = refusal(machine.run(ETCD_SHA256=given), status=2)
    assert f"ETCD_SHA256='{given}' is no checksum" in line


def test_a_list_of_checksums_counts_over_https(machine: Machine, secure_server: Server) -> None:
    machine.add_tool("curl")
    machine.release(UNKNOWN)
    result = machine.run(ETCD_VERSION=UNKNOWN)
    started_with(result)
    assert f"knows no checksum of etcd-v{UNKNOWN}-linux" in result.stdout
    assert [path.rpartition("/")[2][:10] for path in secure_server.asked] == [
        "SHA256SUMS",
        "etcd-v3.5.",
    ]


@pytest.mark.parametrize("tool", ["curl", "wget"])
def test_a_list_of_checksums_from_plain_http_does_not(
    machine: Machine, server: Server, tool: str
) -> None:
    machine.add_tool(tool)
    machine.release(UNKNOWN)
    line = refusal(machine.run(ETCD_VERSION=UNKNOWN), status=2)
    assert "anybody on the way" in line
    assert "ETCD_SHA256" in line
    assert server.asked == []
    nothing_installed(machine)


@pytest.mark.parametrize("version", ["3.5.6", UNKNOWN])
def test_a_redirect_out_of_https_is_not_followed(
    machine: Machine, secure_server: Server, version: str
) -> None:
    machine.add_tool("curl")
    machine.release(version)
    plain = Server(machine.mirror)
    secure_server.elsewhere = plain.url
    try:
        line = refusal(machine.run(ETCD_VERSION=version))
    finally:
        plain.close()
    assert "could not download" in line
    assert plain.asked == []
    nothing_installed(machine)


def test_wget_serves_where_the_checksum_is_known_alone(
    machine: Machine, secure_server: Server
) -> None:
    """It follows any redirect, and has no option against it: what it brings is what is checked."""
    machine.add_tool("wget")
    machine.release(UNKNOWN)
    line = refusal(machine.run(ETCD_VERSION=UNKNOWN))
    assert "curl is not here" in line
    assert "ETCD_SHA256" in line
    assert secure_server.asked == []
    nothing_installed(machine)
    machine.release()
    started_with(machine.run())


@pytest.mark.parametrize("content", ["", "{sum}  another.tar.gz\n", "{sum}  x{name}\n", "{name}\n"])
def test_a_missing_checksum_stops_it(machine: Machine, content: str) -> None:
    tarball, sums = machine.release(UNKNOWN)
    sums.write_text(content.format(sum="1" * 64, name=tarball.name))
    line = refusal(machine.run(ETCD_VERSION=UNKNOWN))
    assert f"has no line for {tarball.name}" in line
    nothing_installed(machine)


def test_a_binary_mark_in_the_list_is_understood(machine: Machine) -> None:
    _, sums = machine.release(UNKNOWN)
    sums.write_text(sums.read_text().replace("  ", " *"))
    started_with(machine.run(ETCD_VERSION=UNKNOWN))


def test_a_tarball_that_is_none_stops_it(machine: Machine) -> None:
    tarball, _ = machine.release()
    tarball.write_text("not a tarball")
    made = hashlib.sha256(tarball.read_bytes()).hexdigest()
    assert "cannot unpack" in refusal(machine.run(ETCD_SHA256=made))
    nothing_installed(machine)


def test_a_tarball_with_another_etcd_stops_it(machine: Machine) -> None:
    binaries = {name: fake_etcd("3.5.5") for name in BINARIES}
    tarball, _ = make_release(machine.mirror, "3.5.6", architecture(), binaries)
    machine.env["ETCD_SHA256"] = hashlib.sha256(tarball.read_bytes()).hexdigest()
    assert "no etcd 3.5.6 that runs here (it says '3.5.5')" in refusal(machine.run())
    nothing_installed(machine)


def test_a_place_for_binaries_that_cannot_be_made_stops_it(machine: Machine) -> None:
    machine.bin.write_text("a file")
    machine.release()
    line = refusal(machine.run())
    assert f"cannot write into {machine.bin}" in line
    assert "ETCD_BIN_DIR" in line


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_during_the_download_stops_it_at_once(
    machine: Machine, server: Server, stop: signal.Signals
) -> None:
    machine.add_tool("curl")
    machine.release()
    server.stall = threading.Event()
    shell = subprocess.Popen(
        machine.command(), env=machine.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        assert server.stalled.wait(20), "the download never began"
        begun = time.monotonic()
        shell.send_signal(stop)
        shell.communicate(timeout=10)
    finally:
        shell.kill()
        shell.wait(10)
    assert shell.returncode == 128 + stop
    assert time.monotonic() - begun < 5
    nothing_installed(machine)


# --- packages ------------------------------------------------------------------------------------


def test_missing_packages_are_installed_first(machine: Machine, server: Server) -> None:
    asked = fake_apt(machine)
    machine.release()
    result = machine.run()
    started_with(result)
    update, install = asked.read_text().splitlines()
    assert update.endswith(" update")
    assert install.endswith(" install wget curl net-tools")
    assert "updating the package lists and installing wget curl net-tools" in result.stdout


def test_only_what_is_missing_is_installed(machine: Machine, server: Server) -> None:
    asked = fake_apt(machine)
    machine.add_tool("curl")
    script_file(machine.tools / "netstat", "#!/bin/sh\n")
    machine.release()
    started_with(machine.run())
    assert asked.read_text().splitlines()[-1].endswith(" install wget")


def test_no_package_manager_is_asked_when_all_is_there(machine: Machine, server: Server) -> None:
    asked = fake_apt(machine)
    machine.add_tool("curl")
    machine.add_tool("wget")
    script_file(machine.tools / "netstat", "#!/bin/sh\n")
    machine.release()
    result = machine.run()
    started_with(result)
    assert "wget, curl and net-tools are already here" in result.stdout
    assert not asked.exists()


def test_packages_that_cannot_be_installed_do_not_stop_it(machine: Machine, server: Server) -> None:
    fake_apt(machine, status=100)
    machine.add_tool("wget")
    machine.release()
    result = machine.run()
    started_with(result)
    assert "could not install curl net-tools (E: the mirror is asleep); going on" in result.stdout
