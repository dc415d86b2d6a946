"""TLS from Python: it works as in Rust, and what goes wrong is the exception that one expects."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import trustme
from lamport_clock import (
    DeniedError,
    InvalidArgumentError,
    LamportError,
    Observed,
    SharedClock,
    UnavailableError,
)
from servers import Etcd

PASSWORD = "swordfish-4711"


class Guarded(NamedTuple):
    """An etcd of three members that wants a certificate of every client, and what opens it."""

    etcd: Etcd
    variables: dict[str, str]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    files = {}
    for name in ("server", "client"):
        pair = authority.issue_cert("127.0.0.1", common_name=name)
        files[name] = folder / f"{name}.pem", folder / f"{name}.key"
        pair.cert_chain_pems[0].write_to_path(str(files[name][0]))
        files[name][1].touch(0o600)
        pair.private_key_pem.write_to_path(str(files[name][1]))
    (certificate, key), client = files["server"], files["client"]
    arguments = [
        f"--cert-file={certificate}",
        f"--key-file={key}",
        f"--trusted-ca-file={folder / 'ca.pem'}",
        "--client-cert-auth",
    ]
    with Etcd(folder, 3, arguments) as etcd:
        yield Guarded(
            etcd,
            {
                "LAMPORT_STORE": etcd.uri("/tls"),
                "LAMPORT_TLS_CA": str(folder / "ca.pem"),
                "LAMPORT_TLS_CERT": str(client[0]),
                "LAMPORT_TLS_KEY": str(client[1]),
            },
        )


@pytest.fixture
def settings(guarded: Guarded, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The environment of a process that is let in; the test makes its mistake in it."""
    for variable, value in guarded.variables.items():
        monkeypatch.setenv(variable, value)
    return monkeypatch


def refused(kind: type[LamportError]) -> str:
    """What it says, which is no secret."""
    with pytest.raises(kind) as caught:
        SharedClock.connect(node="a", timeout="1m")
    told = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    assert PASSWORD not in told
    assert "PRIVATE KEY" not in told.replace("-----BEGIN PRIVATE KEY-----", "")
    assert "not done within" not in told, "it was asked until the deadline"
    return str(caught.value)


def test_a_clock_works_over_mutual_tls(settings: pytest.MonkeyPatch, guarded: Guarded) -> None:
    with SharedClock.connect(node="a") as clock:
        watch = clock.watch()
        value = clock.update().value
        seen = next(watch)
        assert isinstance(seen, Observed)
        assert seen.value == value
        assert clock.location in {member.address for member in guarded.etcd.members}
        with SharedClock.connect(node="b") as other:
            assert other.update().value == value + 1
            assert [one.value for one in clock.history(2).updates] == [value, value + 1]


def test_an_authority_that_signed_nothing_is_named(
    settings: pytest.MonkeyPatch, guarded: Guarded, tmp_path: Path
) -> None:
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "other.pem"))
    settings.setenv("LAMPORT_TLS_CA", str(tmp_path / "other.pem"))
    message = refused(UnavailableError)
    assert "not signed by the CA in LAMPORT_TLS_CA" in message
    for member in guarded.etcd.members:
        assert member.address in message


def test_without_tls_it_is_told_to_switch_it_on(settings: pytest.MonkeyPatch) -> None:
    for variable in ("CA", "CERT", "KEY"):
        settings.delenv(f"LAMPORT_TLS_{variable}")
    assert "wants TLS" in refused(UnavailableError)


def test_without_a_certificate_it_is_denied(settings: pytest.MonkeyPatch) -> None:
    settings.delenv("LAMPORT_TLS_CERT")
    settings.delenv("LAMPORT_TLS_KEY")
    assert "LAMPORT_TLS_CERT" in refused(DeniedError)


@pytest.mark.parametrize("variable", ["LAMPORT_TLS_KEY", "LAMPORT_PASSWORD_FILE"])
def test_a_secret_that_lies_open_is_refused(
    variable: str, settings: pytest.MonkeyPatch, guarded: Guarded, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    key = Path(guarded.variables["LAMPORT_TLS_KEY"]).read_text()
    secret.write_text(key if variable == "LAMPORT_TLS_KEY" else PASSWORD)
    secret.chmod(0o644)
    settings.setenv("LAMPORT_USER", "lamport")
    settings.setenv(variable, str(secret))
    if variable == "LAMPORT_TLS_KEY":
        settings.delenv("LAMPORT_USER")
    message = refused(InvalidArgumentError)
    assert f"chmod 600 {secret}" in message
    assert "644" in message


def test_a_password_does_not_leave_the_machine_in_the_clear(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    password = tmp_path / "password"
    password.touch(0o600)
    password.write_text(PASSWORD)
    monkeypatch.setenv("LAMPORT_STORE", "etcd://203.0.113.1")
    monkeypatch.setenv("LAMPORT_USER", "lamport")
    monkeypatch.setenv("LAMPORT_PASSWORD_FILE", str(password))
    assert "LAMPORT_ALLOW_PLAINTEXT=true" in refused(InvalidArgumentError)
    monkeypatch.setenv("LAMPORT_ALLOW_PLAINTEXT", "true")
    clock = SharedClock.open(node="a")
    assert PASSWORD not in repr(clock)
