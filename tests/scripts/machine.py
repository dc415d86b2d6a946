"""A bare machine for ``start_etcd.sh``, and what a test may put on it.

Nothing here touches the real machine: the script sees a PATH with only the tools of a bare
container (no package manager unless a test puts a fake one there), and its own directories.
"""

from __future__ import annotations

import functools
import hashlib
import http.server
import shutil
import ssl
import subprocess
import threading
from pathlib import Path

import trustme
from release import BINARIES, architecture, make_release

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "start_etcd.sh"
# What Debian's base image has and the script may use.
BARE = (
    *("sh", "cat", "chmod", "cp", "env", "gzip", "id", "ls", "mkdir", "mktemp", "mv", "rm"),
    *("sha256sum", "sleep", "tail", "tar", "timeout", "tr", "uname"),
)
# A release of which the script knows no checksum.
UNKNOWN = "3.5.9"
DEFAULT_CLUSTER = (
    "mx-nodel=http://172.21.0.10:2380,mx-nodel2=http://172.21.0.11:2380,"
    "mx-nodel3=http://172.21.0.12:2380"
)


def fake_etcd(version: str = "3.5.6") -> str:
    """A stand-in that tells its version, or else how it was started and with what around it."""
    return f"""#!/bin/sh
if [ "$1" = --version ]; then
    printf 'etcd Version: {version}\\nGit SHA: 0\\n'
    exit
fi
printf 'pid %s\\n' $$
printf 'arg %s\\n' "$@"
env | while read -r line; do printf 'env %s\\n' "$line"; done
"""


def script_file(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


class Machine:
    """A bare machine: a PATH, a place for binaries, a place for data, and a release server."""

    def __init__(self, root: Path) -> None:
        self.tools = root / "tools"
        self.bin = root / "bin"
        self.data = root / "data"
        self.mirror = root / "mirror"
        self.tools.mkdir()
        self.mirror.mkdir()
        for tool in BARE:
            self.add_tool(tool)
        self.env = {
            "PATH": str(self.tools),
            "NODE_NAME": "mx-nodel",
            "ETCD_BIN_DIR": str(self.bin),
            "ETCD_DATA_DIR": str(self.data),
            "ETCD_MIRROR": str(self.mirror),
        }

    def add_tool(self, name: str) -> None:
        found = shutil.which(name)
        assert found, f"the tests need {name}"
        (self.tools / name).symlink_to(found)

    def release(self, version: str = "3.5.6", arch: str | None = None) -> tuple[Path, Path]:
        """Makes one of stand-ins; the script is told its checksum if it knows the real one's."""
        etcd = fake_etcd(version)
        binaries = {name: etcd for name in BINARIES}
        tarball, sums = make_release(self.mirror, version, arch or architecture(), binaries)
        if version != UNKNOWN:
            self.env["ETCD_SHA256"] = hashlib.sha256(tarball.read_bytes()).hexdigest()
        return tarball, sums

    def with_etcd(self, version: str = "3.5.6") -> Machine:
        """The same machine with an etcd on its PATH."""
        script_file(self.tools / "etcd", fake_etcd(version))
        return self

    def command(self, *args: str) -> list[str]:
        # Named by path: this PATH is not the one that finds the first program.
        return [str(self.tools / "sh"), str(SCRIPT), *args]

    def run(self, *args: str, **env: str | None) -> subprocess.CompletedProcess[str]:
        """Runs the script to its end. A variable set to None is left out."""
        merged = {key: value for key, value in {**self.env, **env}.items() if value is not None}
        return subprocess.run(
            self.command(*args), env=merged, capture_output=True, text=True, timeout=30
        )

    def left_over(self) -> list[str]:
        return sorted(path.name for path in self.bin.glob("*")) + sorted(
            path.name for path in self.bin.glob(".*")
        )


class Server:
    """A release server on the loopback: the machine's mirror over HTTP, or HTTPS."""

    def __init__(self, folder: Path, authority: trustme.CA | None = None) -> None:
        self.asked: list[str] = []
        # Set by a test: where everybody is sent on to.
        self.elsewhere: str | None = None
        # Set by a test: the tarball then stops halfway, for ever or with a broken connection.
        self.stall: threading.Event | None = None
        self.cut_short = False
        handler = functools.partial(_Handler, self, folder)
        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        scheme = "http"
        if authority:
            scheme = "https"
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            authority.issue_cert("127.0.0.1").configure_cert(context)
            self.http.socket = context.wrap_socket(self.http.socket, server_side=True)
        self.url = f"{scheme}://127.0.0.1:{self.http.server_port}/releases"
        self.stalled = threading.Event()
        threading.Thread(target=self.http.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        if self.stall:
            self.stall.set()
        self.http.shutdown()
        self.http.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    def __init__(self, server: Server, folder: Path, *args: object) -> None:
        self.mine = server
        self.folder = folder
        super().__init__(*args)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        self.mine.asked.append(self.path)
        if self.mine.elsewhere:
            self.send_response(302)
            self.send_header("Location", self.mine.elsewhere + self.path.removeprefix("/releases"))
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        path = self.folder / self.path.removeprefix("/releases/")
        if not path.is_file():
            self.send_error(404)
            return
        content = path.read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if path.name.endswith(".gz") and (self.mine.stall or self.mine.cut_short):
            self.wfile.write(content[: len(content) // 2])
            if self.mine.stall:
                self.mine.stalled.set()
                self.mine.stall.wait(20)
            return
        self.wfile.write(content)

    def log_message(self, *args: object) -> None:
        pass


def started_with(result: subprocess.CompletedProcess[str]) -> list[str]:
    """The arguments that etcd got."""
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stderr == ""
    return [line[4:] for line in result.stdout.splitlines() if line.startswith("arg ")]


def flag(args: list[str], name: str) -> str:
    assert args.count(f"--{name}") == 1, args
    return args[args.index(f"--{name}") + 1]


def refusal(result: subprocess.CompletedProcess[str], status: int = 1) -> str:
    """The one line that says why the script stopped before etcd ran."""
    assert result.returncode == status, result.stdout + result.stderr
    assert "arg " not in result.stdout
    lines = result.stderr.splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("start_etcd: error: ")
    return lines[0]


def nothing_installed(machine: Machine) -> None:
    assert machine.left_over() == []
    assert not machine.data.exists()


def fake_apt(machine: Machine, status: int = 0) -> Path:
    """A package manager that writes down what it was asked and "installs" curl."""
    asked = machine.tools.parent / "apt.log"
    curl = shutil.which("curl")
    script_file(
        machine.tools / "apt-get",
        f"""#!/bin/sh
printf '%s\\n' "$*" >>'{asked}'
echo "E: the mirror is asleep" >&2
case " $* " in *" install "*) PATH=/usr/bin:/bin; ln -s '{curl}' '{machine.tools}/curl' ;; esac
exit {status}
""",
    )
    return asked
