"""Checks that a release file is what its name promises; the Makefile calls it after each build.

usage: check_artifact.py TARGET FILE      (a wheel, an archive of the C library, or the command)

Fails with a line for each thing that is wrong.
"""

from __future__ import annotations

import io
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.enums import ENUM_E_MACHINE
from elftools.elf.gnuversions import GNUVerNeedSection
from elftools.elf.sections import SymbolTableSection

MACHINES = {"x86_64": "EM_X86_64", "aarch64": "EM_AARCH64"}
# The libraries of manylinux2014 that ours use. Every glibc system has them.
GLIBC = re.compile(r"(ld-linux-[\w-]+|libc|libm|libgcc_s|libpthread|libdl|librt)\.so\.\d")
# In bytes, a tenth above the present sizes, so that growth is noticed early.
WHEEL_LIMIT = 4_900_000
COMMAND_LIMIT = 10_300_000
C_LIBRARY_LIMIT = 9_800_000
IN_C_LIBRARY = (
    "include/lamport_clock.h",
    "include/lamport_clock.hpp",
    "lib/liblamport_clock.a",
    "lib/liblamport_clock.so",
    "lib/pkgconfig/lamport_clock.pc",
    "lib/cmake/lamport_clock/lamport_clock-config.cmake",
    "lib/cmake/lamport_clock/lamport_clock-config-version.cmake",
)
SYMBOLS = Path(__file__).resolve().parents[1] / "bindings/c/symbols.txt"
LICENCES = ("LICENSE-APACHE", "LICENSE-MIT", "LICENSE-THIRD-PARTY")
# Paths of the build machine, which a release file must not contain. scripts/for-target gives
# dependencies and the checkout other names.
PATHS = (b"/.cargo/registry", b"/.rustup/", bytes(Path.home()) + b"/", bytes(Path.cwd()) + b"/")


def paths_of_this_machine(contents: bytes) -> list[str]:
    """The paths in it that tell where it was built."""
    return [f"names {path.decode()}" for path in PATHS if path in contents]


def machine(elf: ELFFile, target: str) -> list[str]:
    """Complains if it is for another architecture than the target's."""
    found = elf["e_machine"]
    return [] if found == MACHINES[target.partition("-")[0]] else [f"is for {found}"]


def library(target: str, contents: bytes, exported: set[str]) -> list[str]:
    """What is wrong with a shared library, a native module among them."""
    architecture, musl = target.partition("-")[0], target.endswith("-musl")
    elf = ELFFile(io.BytesIO(contents))
    wrong = machine(elf, target)
    dynamic, symbols = elf.get_section_by_name(".dynamic"), elf.get_section_by_name(".dynsym")
    assert isinstance(dynamic, DynamicSection)
    assert isinstance(symbols, SymbolTableSection)
    needed = {str(vars(tag)["needed"]) for tag in dynamic.iter_tags("DT_NEEDED")}
    defined = {s.name for s in symbols.iter_symbols() if s["st_shndx"] != "SHN_UNDEF"}
    if defined != exported:
        wrong.append(f"exports or lacks, against what it says: {sorted(defined ^ exported)}")
    if musl and needed != {f"libc.musl-{architecture}.so.1"}:
        wrong.append(f"needs {sorted(needed)}, not musl alone")
    if not musl:
        wrong += [f"needs {name}" for name in sorted(needed) if not GLIBC.fullmatch(name)]
        versions = elf.get_section_by_name(".gnu.version_r")
        assert isinstance(versions, GNUVerNeedSection)
        asked = {it.name for _, auxiliaries in versions.iter_versions() for it in auxiliaries}
        newer = [
            name
            for name in sorted(asked)
            if (found := re.fullmatch(r"GLIBC_2\.(\d+)(\.\d+)?", name)) and int(found[1]) > 17
        ]
        wrong += [f"needs {name}, newer than manylinux2014's" for name in newer]
        # With an unwinder of its own, the process dies when Python ends a thread in a call: see
        # zig-cc.
        if "libgcc_s.so.1" not in needed or not symbols.get_symbol_by_name("_Unwind_Resume"):
            wrong.append("has an unwinder of its own")
    if elf.get_section_by_name(".symtab"):
        wrong.append("is not stripped")
    return wrong


def wheel(target: str, path: Path) -> list[str]:
    """What is wrong with a wheel."""
    architecture = target.partition("-")[0]
    policy = "musllinux_1_2" if target.endswith("-musl") else "manylinux_2_17"
    wrong = []
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        for name in names:
            contents = archive.read(name)
            found = paths_of_this_machine(contents)
            if name.endswith(".so"):
                found += library(target, contents, {"PyInit__native"})
            wrong += [f"{name}: {it}" for it in found]
    for name in LICENCES:
        if not any(it.endswith(f".dist-info/licenses/{name}") for it in names):
            wrong.append(f"has no {name}")
    if f"{policy}_{architecture}" not in path.name:
        wrong.append(f"is not named for {policy}_{architecture}")
    said = program("auditwheel", "show", path)
    if f'platform tag: "{policy}_{architecture}"' not in " ".join(said.stdout.split()):
        wrong.append(f"auditwheel says: {said.stdout}{said.stderr}")
    said = program("abi3audit", "--strict", path)
    if said.returncode:
        wrong.append(f"abi3audit says: {said.stdout}{said.stderr}")
    return wrong + larger(path, WHEEL_LIMIT)


def c_library(target: str, path: Path) -> list[str]:
    """What is wrong with the archive of the C library: one folder, laid out like a prefix."""
    root = path.name.removesuffix(".tar.gz") + "/"
    with tarfile.open(path) as archive:
        files = {
            member.name.removeprefix(root): read.read()
            for member in archive
            if (read := archive.extractfile(member)) is not None
        }
    wrong = [
        f"has no {name}"
        for name in (*IN_C_LIBRARY, *(f"share/licenses/lamport_clock/{name}" for name in LICENCES))
        if name not in files
    ]
    if wrong:
        return wrong
    exported = set(SYMBOLS.read_text().split())
    shared = library(target, files["lib/liblamport_clock.so"], exported)
    wrong += [f"lib/liblamport_clock.so: {found}" for found in shared]
    for name in sorted(files):
        wrong += [f"{name}: {found}" for found in paths_of_this_machine(files[name])]
    # The machine is a number in the header of each object.
    machines = set(
        re.findall(rb"\x7fELF\x02\x01\x01.{11}(..)", files["lib/liblamport_clock.a"], re.S)
    )
    if machines != {ENUM_E_MACHINE[MACHINES[target.partition("-")[0]]].to_bytes(2, "little")}:
        wrong.append(f"lib/liblamport_clock.a is for {machines}")
    if b"prefix=${pcfiledir}" not in files["lib/pkgconfig/lamport_clock.pc"]:
        wrong.append("can't be moved: lamport_clock.pc names a place")
    if not path.name.endswith(f"-{target}.tar.gz"):
        wrong.append(f"is not named for {target}")
    return wrong + larger(path, C_LIBRARY_LIMIT)


def command(target: str, path: Path) -> list[str]:
    """What is wrong with the command, which is static: it runs in an empty root."""
    contents = path.read_bytes()
    elf = ELFFile(io.BytesIO(contents))
    wrong = machine(elf, target) + paths_of_this_machine(contents)
    if any(segment["p_type"] == "PT_INTERP" for segment in elf.iter_segments()):
        wrong.append("is not static")
    if elf.get_section_by_name(".symtab"):
        wrong.append("is not stripped")
    return wrong + larger(path, COMMAND_LIMIT)


def larger(path: Path, limit: int) -> list[str]:
    """Complains if a file is larger than it may be."""
    size = path.stat().st_size
    return [f"has {size:,} bytes, more than {limit:,}"] if size > limit else []


def program(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Runs one of the auditors, which are installed beside this Python."""
    name, *rest = arguments
    return subprocess.run(
        [Path(sys.executable).parent / name, *rest],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def main() -> int:
    """Prints what is wrong, or that nothing is."""
    if len(sys.argv) != 3 or sys.argv[1].partition("-")[0] not in MACHINES:
        print(__doc__, file=sys.stderr)
        return 2
    target, path = sys.argv[1], Path(sys.argv[2])
    check = {".whl": wheel, ".gz": c_library}.get(path.suffix, command)
    wrong = check(target, path)
    for found in wrong:
        print(f"{path.name}: {found}", file=sys.stderr)
    if not wrong:
        print(f"{path}: {path.stat().st_size:,} bytes, as promised for {target}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
