"""Whose stamps move a clock: who has the key, who is named, and nobody else."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import lamport_clock.httpx
import pytest
from lamport_clock import (
    AsyncSharedClock,
    InvalidArgumentError,
    LocalClock,
    SharedClock,
    Stamp,
    UntrustedError,
    _header,
    celery,
    propagation,
)
from lamport_clock._clock import Trust, Trusting
from lamport_clock._native import Header
from lamport_clock.asgi import LamportMiddleware as Asgi
from lamport_clock.wsgi import LamportMiddleware as Wsgi

KEY = "a key that every service of ours has got"
OTHER = "a key that nobody has got any more, for years"
VECTORS = Path(__file__).resolve().parents[1] / "header.tsv"


@pytest.fixture(autouse=True)
def ledger(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test counts from 0, and logs anew."""
    monkeypatch.setattr(_header, "_ledger", _header._Ledger())


def key_file(path: Path, *keys: str, mode: int = 0o600) -> str:
    path.write_text("".join(f"{key}\n" for key in keys))
    path.chmod(mode)
    return str(path)


def clock_with(tmp_path: Path, name: str, *keys: str) -> SharedClock:
    file = key_file(tmp_path / name, *keys)
    return SharedClock.open("memory:", name, header_key_file=file)


def sent(clock: SharedClock) -> str:
    headers: dict[str, str] = {}
    assert propagation.inject(headers, clock) is not None
    return headers["lamport"]


def through_wsgi(service: Wsgi, value: str, peer: str | None = None) -> None:
    environ: dict[str, Any] = {"HTTP_LAMPORT": value}
    if peer is not None:
        environ["REMOTE_ADDR"] = peer
    list(service(environ, lambda *_: lambda _: None))


def through_asgi(service: Asgi, value: str, peer: str | None = None) -> None:
    async def send(_message: object) -> None:
        pass

    client = None if peer is None else (peer, 1234)
    scope = {"type": "http", "headers": [(b"lamport", value.encode())], "client": client}
    asyncio.run(service(scope, None, send))  # type: ignore[arg-type]


def wsgi_application(_environ: object, _start_response: object) -> Iterable[bytes]:
    return []


async def asgi_application(_scope: object, _receive: object, _send: object) -> None:
    pass


def arrive_wsgi(clock: SharedClock, trust: Trust, value: str, peer: str | None) -> None:
    through_wsgi(Wsgi(wsgi_application, clock, trust), value, peer)


def arrive_asgi(clock: SharedClock, trust: Trust, value: str, peer: str | None) -> None:
    through_asgi(Asgi(asgi_application, clock, trust), value, peer)


Arrive = Callable[[SharedClock, Trust, str, str | None], None]


@pytest.mark.parametrize("arrive", [arrive_wsgi, arrive_asgi])
@pytest.mark.parametrize(
    ("trust", "peer", "counts"),
    [
        (None, "127.0.0.1", False),
        ("everybody", "8.8.8.8", True),
        ("everybody", None, True),
        (["10.0.0.0/8"], "10.1.2.3", True),
        (["10.0.0.0/8"], "11.1.2.3", False),
        (["10.0.0.0/8"], None, False),
        (["10.0.0.0/8"], "", False),
        (["192.0.2.7", "2001:db8::/32"], "192.0.2.7", True),
        (["192.0.2.7", "2001:db8::/32"], "2001:db8::1", True),
        (["192.0.2.0/24"], "::ffff:192.0.2.9", True),
        ([], "127.0.0.1", False),
    ],
)
def test_a_stamp_counts_from_who_is_trusted(
    arrive: Arrive, trust: Trust, peer: str | None, counts: bool
) -> None:
    clock = SharedClock.memory("here")
    arrive(clock, trust, "5000@there", peer)
    assert clock.now() == (5001 if counts else 1)
    assert propagation.stats().untrusted == (0 if counts else 1)


def test_an_untrusted_stamp_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    service = Wsgi(wsgi_application, SharedClock.memory("here"))
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            through_wsgi(service, "5000@there", "10.0.0.1")
    (record,) = caplog.records
    assert "trust= does not name '10.0.0.1'" in record.getMessage()
    assert propagation.stats().untrusted == 3


@pytest.mark.parametrize("trust", ["everyone", "*", ["10.0.0.0/33"], ["10.0.0.1/8"]])
def test_what_names_nobody_is_refused(trust: Trust) -> None:
    with pytest.raises(ValueError, match="trust="):
        Wsgi(wsgi_application, SharedClock.memory("here"), trust)


def test_signed_needs_a_key(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="LAMPORT_HEADER_KEY_FILE"):
        Asgi(asgi_application, SharedClock.memory("here"), trust="signed")
    Asgi(asgi_application, clock_with(tmp_path, "here", KEY), trust="signed")


def test_where_a_peer_has_no_address_none_can_be_named() -> None:
    with pytest.raises(ValueError, match="can't be told"):
        celery.install(SharedClock.memory("here"), trust=["10.0.0.0/8"])


@pytest.mark.parametrize("trust", [None, "signed", "everybody", ["10.0.0.0/8"]])
def test_a_clock_with_a_key_believes_nothing_unsigned(tmp_path: Path, trust: Trust) -> None:
    here, there = clock_with(tmp_path, "here", KEY), clock_with(tmp_path, "there", KEY)
    service = Wsgi(wsgi_application, here, trust)
    stranger = clock_with(tmp_path, "stranger", OTHER)
    for value in ("5000@there", sent(stranger), sent(there).replace("there", "thera")):
        through_wsgi(service, value, "10.0.0.1")
        assert propagation.extract({"lamport": value}, here) is None
    assert here.now() == 3
    assert propagation.stats().untrusted == 6
    there.receive(5000)
    through_wsgi(service, sent(there), "10.0.0.1")
    assert here.now() == 5003


def test_keys_are_exchanged_one_process_at_a_time(tmp_path: Path) -> None:
    old, both, new = (
        clock_with(tmp_path, "old", OTHER),
        clock_with(tmp_path, "both", KEY, OTHER),
        clock_with(tmp_path, "new", KEY),
    )
    assert propagation.extract({"lamport": sent(old)}, both) is not None
    assert propagation.extract({"lamport": sent(both)}, new) is not None
    assert propagation.extract({"lamport": sent(old)}, new) is None
    environment: dict[str, str] = {}
    propagation.inject_environment(environment, both)
    assert propagation.extract_environment(environment, new) is not None
    assert propagation.extract_environment({"LAMPORT_STAMP": "9@old"}, new) is None


def test_a_local_clock_signs_too(tmp_path: Path) -> None:
    shared = clock_with(tmp_path, "here", KEY)
    local = LocalClock("there", header_key_file=key_file(tmp_path / "key", KEY))
    headers: dict[str, str] = {}
    propagation.inject(headers, local)
    assert propagation.extract(headers, shared) is not None
    assert propagation.extract({"lamport": "9@stranger"}, local) is None


def test_both_faces_of_a_clock_sign(tmp_path: Path) -> None:
    sync = clock_with(tmp_path, "here", KEY)
    headers: dict[str, str] = {}
    propagation.inject(headers, AsyncSharedClock(sync))
    assert ";mac=" in headers["lamport"]
    assert propagation.extract({"lamport": "9@there"}, AsyncSharedClock(sync)) is None


@pytest.mark.parametrize("keys", [(), ("short",), (KEY, ""), (KEY, KEY, KEY)])
def test_a_file_without_one_or_two_keys_is_refused(tmp_path: Path, keys: tuple[str, ...]) -> None:
    file = key_file(tmp_path / "keys", *keys)
    with pytest.raises(InvalidArgumentError, match="openssl rand -hex 32"):
        SharedClock.open("memory:", "api", header_key_file=file)


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    file = key_file(tmp_path / "keys", KEY, mode=0o644)
    with pytest.raises(InvalidArgumentError, match="mode 644") as caught:
        SharedClock.open("memory:", "api", header_key_file=file)
    assert KEY not in str(caught.value)


def test_a_clients_answers_count_from_the_hosts_that_are_named() -> None:
    import httpx

    def answer(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"lamport": "5000@there"})

    for trust, now in ((None, 1), (["billing"], 5001), (["BILLING"], 5001), (["other"], 1)):
        clock = SharedClock.memory("here")
        client = httpx.Client(transport=httpx.MockTransport(answer))
        lamport_clock.httpx.install(client, clock, trust).get("http://billing/")
        assert clock.now() == now


def test_the_header_is_that_of_every_other_language(tmp_path: Path) -> None:
    rows = [row for row in VECTORS.read_text().splitlines() if not row.startswith("#")]
    for row in rows:
        long, key, value = row.split("\t")
        header = clock_with(tmp_path, "here", key)._header
        assert header.write(Stamp.parse(long)) == value
        assert header.read(value) == Stamp.parse(long)
        # By Python's own library.
        code = hmac.new(key.encode(), long.encode(), hashlib.sha256).hexdigest()
        assert value == f"{long};mac={code}"
    assert len(rows) == 12


def test_a_wrong_signature_has_an_error_of_its_own(tmp_path: Path) -> None:
    header = clock_with(tmp_path, "here", KEY)._header
    assert header.signed and not Header().signed
    with pytest.raises(UntrustedError, match="is not signed"):
        header.read("42@there")
    with pytest.raises(UntrustedError, match="another key"):
        header.read("42@there;mac=00")


def test_a_stranger_stops_no_service_and_pulls_none_far(tmp_path: Path) -> None:
    # All share one record, in the file's name so that no other test does.
    store = f"memory:{tmp_path.name}"
    clock = SharedClock.connect(store, "service")
    service = Wsgi(wsgi_application, clock, "everybody")
    for _ in range(4):
        before = clock.update().value
        for _ in range(32):
            through_wsgi(service, f"{clock.now() + 2**48}@stranger")
            through_wsgi(service, f"{clock.now() + 2**32}@stranger")
        assert before < clock.update().value <= before + 2**32 + 100
    assert SharedClock.connect(store, "later").update().value > clock.now()
    assert propagation.stats().too_far_ahead >= 4 * 32


def test_a_clock_of_ones_own_is_no_obstacle() -> None:
    class Own:
        def tick(self) -> Stamp:
            return Stamp(7, "own")

        def receive(self, message: Stamp, /) -> Stamp:
            return Stamp(message.time + 1, "own")

    clock = Trusting(Own(), "everybody")
    assert propagation.inject(headers := {}, clock) == Stamp(7, "own")  # type: ignore[var-annotated]
    assert propagation.extract(headers, clock) == Stamp(8, "own")
