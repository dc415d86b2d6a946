"""Every fuzz target, for seconds: over its corpus first, then where that leads."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CORPUS = ROOT / "fuzz" / "corpus"
BUILT = next((ROOT / "target" / "fuzz").glob("*/release"))
TARGETS = re.findall(r'^\[\[bin\]\]\nname = "(\w+)"', (ROOT / "fuzz/Cargo.toml").read_text(), re.M)
SECONDS = 4
SEED = 1
"""The same in every run, so that a failure comes again. `make fuzz` goes to new places."""
LIMIT = 120


@pytest.mark.parametrize("target", TARGETS)
def test_target(target: str, tmp_path: Path) -> None:
    corpus = list((CORPUS / target).iterdir())
    found, scratch = tmp_path / "found", tmp_path / "scratch"
    found.mkdir()
    scratch.mkdir()
    # What is new goes into the first folder; the corpus stays as it is.
    folders = [str(found), str(CORPUS / target)]
    limits = [f"-seed={SEED}", f"-max_total_time={SECONDS}", "-max_len=1024"]
    ran = subprocess.run(
        [str(BUILT / target), *folders, *limits, f"-artifact_prefix={BUILT.parents[1]}/"],
        env={**os.environ, "TMPDIR": str(scratch)},
        capture_output=True,
        text=True,
        errors="replace",
        timeout=LIMIT,
        check=False,
    )
    said = ran.stderr[-8000:]
    assert ran.returncode == 0, f"replay with {BUILT / target} FILE\n{said}"
    runs = re.search(r"^Done (\d+) runs in", ran.stderr, re.M)
    assert runs, said
    assert int(runs.group(1)) > len(corpus), f"hardly anything was run\n{said}"


@pytest.mark.parametrize("target", TARGETS)
def test_corpus_is_small(target: str) -> None:
    sizes = [path.stat().st_size for path in (CORPUS / target).iterdir()]
    assert 5 <= len(sizes) <= 60, f"{len(sizes)} files"
    assert sum(sizes) <= 12_000, f"{sum(sizes)} bytes"


def test_every_target_has_a_corpus_and_every_corpus_a_target() -> None:
    assert sorted(TARGETS) == sorted(path.name for path in CORPUS.iterdir())
    assert sorted(TARGETS) == sorted(path.stem for path in (ROOT / "fuzz/targets").glob("*.rs"))
