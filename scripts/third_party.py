"""Writes LICENSE-THIRD-PARTY: the licences of the code in the wheel, the C library and the command.

usage: third_party.py [--check]      (only compares, and fails if the file is out of date)

Uses no network: the crates lie where cargo has put them for the build.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import ziglang

ROOT = Path(__file__).resolve().parents[1]
WRITTEN = ROOT / "LICENSE-THIRD-PARTY"
TARGETS = [
    f"{architecture}-unknown-linux-{libc}"
    for architecture in ("x86_64", "aarch64")
    for libc in ("gnu", "musl")
]
SHIPPED = ("lamport-cli", "lamport-clock-c", "lamport-clock-python")
HEAD = """\
lamport-clock is licensed under MIT or Apache-2.0, as you like: LICENSE-MIT, LICENSE-APACHE. The
Python wheel, the C library and the command hold code of others as well. Each text below is the
licence of what is named above it. Where there is a choice, MIT is chosen. scripts/third_party.py
writes this file.
"""
RULE = "=" * 80
# The licence files of a crate, also in subfolders, which hold code that the crate took from others.
LICENCES = re.compile(r"(LICEN[CS]E|COPYING|UNLICENSE|COPYRIGHT|NOTICE)\b.*", re.IGNORECASE)
# Licence files to leave out if the crate offers a choice and the same folder has the MIT licence.
CHOICE = re.compile(r"(LICEN[CS]E-(?!MIT|THIRD)|COPYING|UNLICENSE|LICEN[CS]E$).*", re.IGNORECASE)


def cargo(*arguments: str) -> str:
    """The output of cargo, which may use only what is on this machine."""
    command = ["cargo", *arguments, "--locked", "--offline"]
    return subprocess.run(
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True, timeout=120, check=True
    ).stdout


def shipped_crates() -> list[dict[str, Any]]:
    """Cargo's descriptions of the third-party crates whose code ships, for any target."""
    packages = [word for name in SHIPPED for word in ("--package", name)]
    names = set()
    for target in TARGETS:
        form = ["--edges", "normal,no-proc-macro", "--prefix", "none", "--format", "{p}"]
        listed = cargo("tree", *packages, "--target", target, *form)
        for name, version in re.findall(r"^(\S+) v(\S+)", listed, re.MULTILINE):
            names.add((name, version))
    platforms = [word for target in TARGETS for word in ("--filter-platform", target)]
    described = json.loads(cargo("metadata", "--format-version", "1", *platforms))
    return [
        crate
        for crate in described["packages"]
        # Our own crates have no source.
        if crate["source"] and (crate["name"], crate["version"]) in names
    ]


def texts(crate: dict[str, Any]) -> list[str]:
    """The texts that a crate's licences ask to be handed on, as far as it holds them."""
    root = Path(crate["manifest_path"]).parent
    files = sorted(file for file in root.rglob("*") if LICENCES.fullmatch(file.name))
    if " AND " not in crate["license"]:
        mit = {file.parent for file in files if file.name.startswith("LICENSE-MIT")}
        files = [f for f in files if f.parent not in mit or not CHOICE.fullmatch(f.name)]
    return [file.read_text() for file in files if file.is_file()]


def sections() -> list[tuple[str, str]]:
    """Pairs of a component's name and its licence text."""
    crates = shipped_crates()
    found = [(crate["name"], text) for crate in crates for text in texts(crate)]
    # A crate without a text gets it from the other crates of its repository.
    for crate in crates:
        if not texts(crate):
            kin = [other for other in crates if other["repository"] == crate["repository"]]
            given = [(crate["name"], text) for other in kin for text in texts(other)]
            if not given:
                raise SystemExit(f"third_party: {crate['name']} holds no licence, nor does its kin")
            found += given
    # Rust's standard library and what zig links are no crates. The library's texts lie beside this
    # script, the others in zig's package.
    for part in (ROOT / "scripts/third_party_std.txt").read_text().split(RULE)[1:]:
        name, _, text = part.strip().partition("\n\n")
        found.append((name, text))
    zig = Path(ziglang.__file__).parent
    for name, file in {
        "musl (in what is built for it)": "lib/libc/musl/COPYRIGHT",
        "libunwind (in what is built for musl)": "lib/libunwind/LICENSE.TXT",
        "compiler_rt of Zig": "LICENSE",
    }.items():
        found.append((name, (zig / file).read_text()))
    return found


def page() -> str:
    """The contents of the file: each text once, below the names of all components that have it."""
    holders: dict[str, tuple[str, set[str]]] = {}
    for name, text in sections():
        key = " ".join(text.split())
        holders.setdefault(key, (text, set()))[1].add(name)
    parts = sorted(
        (", ".join(sorted(names, key=str.lower)), text) for text, names in holders.values()
    )
    return HEAD + "".join(f"\n{RULE}\n{names}\n\n{tidy(text)}\n" for names, text in parts)


def tidy(text: str) -> str:
    """The text without tabs, spaces at line ends, and blank lines at both ends."""
    return "\n".join(line.rstrip() for line in text.expandtabs().splitlines()).strip("\n")


def main() -> int:
    """Writes the file, or compares."""
    if sys.argv[1:] not in ([], ["--check"]):
        print(__doc__, file=sys.stderr)
        return 2
    text = page()
    if not sys.argv[1:]:
        WRITTEN.write_text(text)
    elif not WRITTEN.exists() or WRITTEN.read_text() != text:
        print(
            f"{WRITTEN.name} does not fit the dependencies: run `make notices` and look at the"
            " difference",
            file=sys.stderr,
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
