"""A C program may end at any moment, with calls under way in other threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from library import HERE, Library
from servers import Etcd, Silence


@pytest.mark.parametrize("link", ["shared", "static"])
@pytest.mark.parametrize("way", ["return", "exit", "thread"])
def test_no_program_crashes_or_hangs_at_its_end(
    library: Library, etcd: Etcd, way: str, link: str
) -> None:
    program = library.program(HERE / "exit.c", "c99", link)

    def once(_: int) -> tuple[int, str, str]:
        done = library.run([str(program), way, silence.uri, etcd.uri(f"/exit-{way}-{link}")])
        return done.returncode, done.stdout, done.stderr

    with Silence() as silence, ThreadPoolExecutor(5) as batch:
        assert set(batch.map(once, range(15))) == {(0, "", "")}
