"""The Python in README.md and docs/PYTHON.md, pasted as a reader would: it runs to its end.

The blocks of one section are pasted one after another. The documents' etcd is at 10.0.0.5 to
10.0.0.7; here it is one that the test started.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import REPOSITORY
from programs import run
from servers import Etcd

DOCUMENTS = ("README.md", "docs/PYTHON.md")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
ETCD = re.compile(r"etcd://(?:10\.0\.0\.[567](?::2379)?,?)+")


def sections() -> Iterator[tuple[str, str]]:
    """Each section that holds Python, by "document: title", with its blocks."""
    for document in DOCUMENTS:
        text = (REPOSITORY / document).read_text()
        for section in re.split(r"^## ", text, flags=re.M)[1:]:
            blocks = [code for language, code in FENCE.findall(section) if language == "python"]
            if blocks:
                yield f"{document}: {section.splitlines()[0]}", "\n".join(blocks)


SECTIONS = dict(sections())


def test_every_document_has_python_in_it() -> None:
    for document in DOCUMENTS:
        assert any(name.startswith(document) for name in SECTIONS), document


@pytest.mark.parametrize("name", SECTIONS)
def test_what_is_pasted_runs(name: str, etcd: Etcd, tmp_path: Path) -> None:
    key = "/documents/" + "".join(c if c.isalnum() else "-" for c in name)
    program = tmp_path / "pasted.py"
    program.write_text(ETCD.sub(etcd.uri(""), SECTIONS[name]))
    # What begins with nothing but the environment finds the same etcd.
    done = run(str(program), LAMPORT_STORE=etcd.uri(""), LAMPORT_KEY=key, NODE_NAME="api")
    assert done.returncode == 0, SECTIONS[name] + done.stdout + done.stderr
