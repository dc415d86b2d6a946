"""A directory that looks like etcd's release server, made from binaries at hand.

The official server cannot be assumed reachable from a test, so the download path of
``start_etcd.sh`` is tested against one of these: ``<base>/v3.5.6/etcd-v3.5.6-linux-amd64.tar.gz``
beside ``<base>/v3.5.6/SHA256SUMS``.
"""

from __future__ import annotations

import hashlib
import io
import os
import platform
import shutil
import subprocess
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

BINARIES = ("etcd", "etcdctl", "etcdutl")
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "ppc64le": "ppc64le", "s390x": "s390x"}


@dataclass(frozen=True)
class RealEtcd:
    """The etcd that the tests run: its version, and the binaries of its release."""

    version: str
    binaries: Mapping[str, Path]

    @classmethod
    def find(cls, named: str | None = None) -> RealEtcd:
        """That etcd, else the one that LAMPORT_ETCD names, else the one on PATH.

        Raises when there is none. etcdutl may be missing: etcd has it since 3.5.
        """
        named = named or os.environ.get("LAMPORT_ETCD") or shutil.which("etcd")
        if not named:
            raise RuntimeError(
                "no etcd to test with: LAMPORT_ETCD is not set and PATH has no etcd;"
                " set LAMPORT_ETCD to an etcd binary that has etcdctl beside it"
            )
        etcd = Path(named).resolve()
        binaries = {name: etcd.with_name(name) for name in BINARIES}
        if not binaries["etcdutl"].exists():
            del binaries["etcdutl"]
        for path in binaries.values():
            # A wrapper script would work only where its interpreter is, not in a container.
            if not path.is_file() or path.read_bytes()[:4] != b"\x7fELF":
                raise RuntimeError(
                    f"{path} is not a program file (looked because of etcd at {named});"
                    " set LAMPORT_ETCD to an etcd binary that has etcdctl beside it"
                )
        answer = subprocess.run(
            [etcd, "--version"], capture_output=True, text=True, timeout=20, check=True
        )
        return cls(answer.stdout.split()[2], binaries)


def architecture() -> str:
    """This machine's architecture in the word of etcd's release files."""
    return ARCHITECTURES[platform.machine()]


def make_release(
    base: Path, version: str, arch: str, binaries: Mapping[str, Path | str]
) -> tuple[Path, Path]:
    """Writes one release under `base`; a binary is a file to copy or the text of a script.

    Returns the tarball and the list of checksums.
    """
    folder = base / f"v{version}"
    folder.mkdir(parents=True, exist_ok=True)
    name = f"etcd-v{version}-linux-{arch}"
    tarball = folder / f"{name}.tar.gz"
    with tarfile.open(tarball, "w:gz", compresslevel=1) as tar:
        for binary, source in {**binaries, "README.md": "# etcd\n"}.items():
            content = source.encode() if isinstance(source, str) else source.read_bytes()
            member = tarfile.TarInfo(f"{name}/{binary}")
            member.size = len(content)
            member.mode = 0o644 if binary == "README.md" else 0o755
            # The official tarballs carry the ids of the machine that built them.
            member.uid = member.gid = 528287
            tar.addfile(member, io.BytesIO(content))
    checksum = hashlib.sha256(tarball.read_bytes()).hexdigest()
    sums = folder / "SHA256SUMS"
    with sums.open("a") as lines:
        lines.write(f"{'0' * 64}  etcd-v{version}-darwin-amd64.zip\n{checksum}  {tarball.name}\n")
    return tarball, sums
