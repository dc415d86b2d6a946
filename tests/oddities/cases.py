"""Cases of what containers are given: each an environment, a name, a header and what lies in etcd.

A case follows from its seed alone. Nobody but this machine is ever asked: odd hosts come about by
putting something into an address of it, and the node map is always given.
"""

from __future__ import annotations

import json
import os
import random
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

SECRET = "hunter2-hunter2-hunter2-hunter2-hunter2"
"""What stands in files of secrets, and in addresses where no password belongs. Never printed."""

# fmt: off
PIECES = [
    "", " ", "\t", "\n", "\r\n", "\x01", "\x1b[31m", "\x7f", "\u0085", "\u200b", "\u202e", "\ufeff",
    "é", "\U0001f600", "'", '"', "`", "$(id)", "${HOME}", "{name}", "<b>", "\\", "/", "//", "/./",
    "/../", "/base", "/taken", "/taken/3", "?", "#", "%", "%00", "%2f", "%zz", ";", ",", ",,", "@",
    ":", "::", "=", "==", "-", "--help", "*", "~", "null", "0", "-1", "1e999", "9007199254740993",
    "x" * 300, "x" * 70_000,
]
TIMEOUTS = [
    "300ms", "0.5s", "1", "", "0", "0s", "-1s", "1e999s", "NaN", "inf", "1 s", "1h30m", "s", "\n1s",
    "18446744073709551616s", "18446744073709551615ms", "\uff11s", "1s;",
]
# fmt: on

RECORDS = [
    b'{"value": 7, "process_id": "b", "real_timestamp": 1750116944.92}',
    b'{"value": 9007199254740991}',
    b'{"value": 7}',
    b'{"value": 7.0, "process_id": null}',
    b'{"value": 7, "process_id": {"a": []}, "real_timestamp": "now", "more": true}',
    b'{"value": 7, "process_id": "\\u202e\\u0000"}',
    b'{"value": 7, "value": 8, "process_id": "b"}',
    b'{"value": 5000000000, "process_id": "b"}',
    b'{"value": 9007199254740992, "process_id": "b"}',
    b'{"value": "7"}',
    b'{"value": -1}',
    b'{"value": 1e300}',
    b'{"value": NaN}',
    b'{"process_id": "b"}',
    b'[7, "a", 1.5]',
    *(b"7", b"null", b'""', b"", b" ", b"\x00", b"\xff\xfe", b"\xef\xbb\xbf{}", b"{"),
    *(b"[" * 5_000, b"x" * 100_000),
]
"""The first four are such as may be found any day."""


@dataclass
class Case:
    """What a container is given, and what it finds."""

    environment: dict[bytes, bytes] = field(default_factory=dict)
    node: str = ""
    """An argument, which goes before the environment; "": none."""
    header: str = ""
    headers: str = ""
    """A container of headers, as a literal of Python's."""
    stored: dict[str, bytes] = field(default_factory=dict)
    keys: set[str] = field(default_factory=set)
    """The records that may be meant."""

    def may_write(self, key: bytes) -> bool:
        """Whether the clock of one of the records keeps something there."""
        below = rb"(/base|/taken(/[0-9]{2})?)?"
        return any(re.fullmatch(re.escape(one.encode()) + below, key) for one in self.keys)


def case(seed: str, address: str, folder: Path) -> Case:
    """The case of this seed, whose etcd is at this address and whose files go into this folder."""
    return _Maker(seed, address, folder).make()


class _Maker:
    def __init__(self, seed: str, address: str, folder: Path) -> None:
        self.draw = random.Random(seed)
        self.address = address
        self.folder = folder
        self.case = Case()

    def make(self) -> Case:
        case = self.case
        key = self.key()
        case.keys = {"/lamport_clock", key}
        nodes = f"mx-nodel={self.address},mx-nodel2=127.0.0.1:1"
        # Never empty: that would mean the nodes of the deployment.
        self.set("LAMPORT_NODES", nodes if self.mostly() else self.odd(nodes))
        self.set("NODE_NAME", "mx-nodel" if self.mostly() else self.name())
        if self.mostly():
            self.set("LAMPORT_STORE", self.store(key))
        else:
            self.set("LAMPORT_KEY", key)
        self.set("LAMPORT_TIMEOUT", "1s" if self.mostly() else self.choose(TIMEOUTS))
        for variable, values in SELDOM.items():
            if self.draw.random() < 0.03:
                self.set(variable, self.choose(values))
        for variable in FILES:
            if self.draw.random() < 0.025:
                self.set(variable, self.file(variable))
        if self.draw.random() < 0.04:
            damaged = self.choose(sorted(case.environment))
            case.environment[damaged] += b"\xff\xfe"
        case.node = self.name() if self.draw.random() < 0.15 else ""
        case.header = self.header()
        case.headers = self.headers()
        self.fill(key)
        return case

    def choose(self, among: list[T]) -> T:
        return self.draw.choice(among)

    def mostly(self) -> bool:
        return self.draw.random() < 0.88

    def set(self, variable: str, value: str) -> None:
        # What no environment can hold.
        self.case.environment[os.fsencode(variable)] = os.fsencode(value.replace("\0", ""))

    def odd(self, text: str) -> str:
        """The text with something in it."""
        at = self.draw.randint(0, len(text))
        return text[:at] + self.choose(PIECES) + text[at:]

    def name(self) -> str:
        return self.odd("api") if self.mostly() else self.choose(PIECES)

    def key(self) -> str:
        key = "/odd/clock"
        return key if self.draw.random() < 0.7 else "/" + self.odd(key[1:])

    def store(self, key: str) -> str:
        store = f"etcd://{self.address}{key}"
        memory = ["memory:", "memory:a", "memory:" + self.choose(PIECES), self.choose(PIECES)]
        changed = [
            store.upper(),
            f"http://{self.address}",
            f"etcd://a:{SECRET}@{self.address}{key}",
        ]
        odd = [self.odd(store), self.odd(store), self.choose(memory), self.choose(changed)]
        store = store if self.mostly() else self.choose(odd)
        # What the address says, to the letter.
        if store.startswith("etcd://") and store.count("/") > 2:
            self.case.keys.add("/" + store.split("/", 3)[3])
        return store

    def file(self, variable: str) -> str:
        path = self.folder / variable
        kind = self.choose(["file", "file", "file", "open", "folder", "pipe", "missing", "null"])
        if kind == "folder":
            path.mkdir()
        elif kind == "pipe":
            os.mkfifo(path, 0o600)
        elif kind == "null":
            return "/dev/null"
        elif kind != "missing":
            lines = [
                "",
                SECRET,
                f"node = {SECRET!r}",
                'key = "/odd/clock"',
                "timeout = 1",
                "[a]",
                "\0",
            ]
            path.write_text("\n".join(self.draw.sample(lines, self.draw.randint(0, 3))))
            path.chmod(0o666 if kind == "open" else 0o600)
        return str(path)

    def header(self) -> str:
        stamp = self.choose(
            ["5@b", "5@b;instance=00000000000000ff", f"{2**53 - 1}@b", "-1@b", "@", ""]
        )
        stamps = [
            stamp if self.mostly() else self.odd(stamp) for _ in range(self.draw.randint(1, 3))
        ]
        # What no argument can hold.
        return ",".join(stamps).replace("\0", "")

    def headers(self) -> str:
        pairs: list[object] = []
        for _ in range(self.draw.randint(0, 3)):
            name = self.choose(["lamport", "Lamport", b"lamport", b"\xff", None, 7])
            value: object = self.choose(
                [self.header(), self.header().encode(), b"\xff", None, 7, ["5@b"], {}, []]
            )
            pairs.append(
                self.choose([(name, value), [name, value], (name, value), name, (name,), None])
            )
        return repr(
            self.choose([pairs, tuple(pairs), None, {"lamport": self.header()}, {"a": pairs}])
        )

    def fill(self, key: str) -> None:
        stored = self.case.stored
        if self.draw.random() < 0.6:
            stored[key] = self.choose(self.choose([RECORDS[:4], RECORDS]))
        for below in ["/base", "/taken", "/taken/03"]:
            if self.draw.random() < 0.05:
                stored[key + below] = self.choose(RECORDS)
        # The neighbours: beside, above, and where a careless range would reach.
        for beside in ["-old", "/other", "/basement", "/takenx", "/taken/x", "0", "/"]:
            stored[key + beside] = b"a neighbour's"
        for one in ["/", "/a", "/odd", "/zz", "lamport_clock", "/lamport_clock-old"]:
            stored.setdefault(one, b"a neighbour's")


def plausible(record: bytes) -> bool:
    """Whether a record is one that may be written over: it says a number as its value."""
    try:
        read = json.loads(record)
    except (ValueError, RecursionError):
        return False
    return isinstance(read, dict) and isinstance(read.get("value"), (int, float))


SELDOM = {
    "LAMPORT_KEY": ["", "odd", "/odd/clock", "/odd/clock/", "/lamport_clock"],
    "LAMPORT_MAX_JUMP": ["100", "0", "-1", "1e3", "", "18446744073709551616", "0x10", "\u0661"],
    "LAMPORT_USER": ["", "lamport", "a:b", "root\n"],
    "LAMPORT_ALLOW_PLAINTEXT": ["", "true", "yes", "2", "TRUE "],
    "LAMPORT_BOGUS": ["1"],
    "LAMPORT_STAMP": ["5@b", "rubbish"],
    "LANG": ["", "xx", "tr_TR.UTF-8", "\udcff"],
    "HOME": ["", "/nowhere"],
    "TMPDIR": ["/nowhere"],
    "http_proxy": ["http://127.0.0.1:1", "rubbish"],
    "HTTPS_PROXY": ["http://127.0.0.1:1"],
    "RUST_BACKTRACE": ["full"],
    "RUST_LOG": ["trace", "\udcff"],
    "TOKIO_WORKER_THREADS": ["0", "x", "-1", "100000"],
    "SSL_CERT_FILE": ["/nowhere"],
}

FILES = [
    *("LAMPORT_CONFIG", "LAMPORT_TLS_CA", "LAMPORT_TLS_CERT", "LAMPORT_TLS_KEY"),
    *("LAMPORT_PASSWORD_FILE", "LAMPORT_HEADER_KEY_FILE"),
]
