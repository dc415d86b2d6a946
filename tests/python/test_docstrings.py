"""What help() shows: every public name says what it does, and shows it by an example that runs.

The examples begin where a reader is who has pasted these two lines:

    >>> from lamport_clock import *
    >>> clock = SharedClock.memory("api")
"""

from __future__ import annotations

import asyncio
import doctest
import importlib
import inspect
import pkgutil
from collections.abc import Iterator

import lamport_clock
import pytest
from lamport_clock import LamportError, SharedClock

GRPC = "shown at the head of lamport_clock.grpc; its methods are for gRPC to call"
PROTOCOL = "what a clock has to have; SharedClock shows it"
# With all that belongs to them.
WITHOUT_EXAMPLE = {
    "lamport_clock.__main__": "it is the command, which its own --help shows",
    "lamport_clock.grpc.AioServerInterceptor": GRPC,
    "lamport_clock.grpc.ClientInterceptor": GRPC,
    "lamport_clock.grpc.ServerInterceptor": GRPC,
    "lamport_clock.grpc.aio_client_interceptors": GRPC,
    "lamport_clock.logging.Clock": PROTOCOL,
    "lamport_clock.prometheus.Clock": PROTOCOL,
    "lamport_clock.propagation.Clock": PROTOCOL,
}


def modules() -> Iterator[str]:
    """The package and its public modules."""
    yield "lamport_clock"
    for found in pkgutil.iter_modules(lamport_clock.__path__, "lamport_clock."):
        if not found.name.startswith("lamport_clock._") or found.name.endswith("__main__"):
            yield found.name


def public() -> Iterator[tuple[str, object]]:
    """Every public module, function, class, method and field, by its full name."""
    for module_name in modules():
        module = importlib.import_module(module_name)
        yield module_name, module
        for name in getattr(module, "__all__", vars(module)):
            thing = getattr(module, name)
            own = hasattr(module, "__all__") or getattr(thing, "__module__", None) == module_name
            if name.startswith("_") or not own or not callable(thing):
                continue
            yield f"{module_name}.{name}", thing
            if inspect.isclass(thing):
                for member in sorted(vars(thing)):
                    value = getattr(thing, member)
                    if not member.startswith("_") and (
                        callable(value) or inspect.isdatadescriptor(value)
                    ):
                        yield f"{module_name}.{name}.{member}", value


PUBLIC = dict(public())


def needs_example(name: str, thing: object) -> bool:
    """A field is shown by its class, an error by LamportError."""
    if any(name == known or name.startswith(f"{known}.") for known in WITHOUT_EXAMPLE):
        return False
    if inspect.isclass(thing) and issubclass(thing, Exception):
        return thing is LamportError
    return not inspect.isdatadescriptor(thing)


def test_the_native_classes_and_their_methods_are_among_them() -> None:
    for name in ("SharedClock", "SharedClock.update", "Stamp.parse", "Update.value", "Watch.close"):
        assert f"lamport_clock.{name}" in PUBLIC
    assert len(PUBLIC) > 100


def test_no_exception_is_made_for_what_needs_none() -> None:
    assert set(WITHOUT_EXAMPLE) <= set(PUBLIC)
    for name in WITHOUT_EXAMPLE:
        assert ">>>" not in (inspect.getdoc(PUBLIC[name]) or ""), name


@pytest.mark.parametrize("name", PUBLIC)
def test_it_says_what_it_does_and_its_example_runs(name: str) -> None:
    doc = inspect.getdoc(PUBLIC[name])
    assert doc, f"help({name}) says nothing"
    with SharedClock.memory("api") as clock:
        names = {name: getattr(lamport_clock, name) for name in lamport_clock.__all__}
        example = doctest.DocTestParser().get_doctest(
            doc, {**names, "asyncio": asyncio, "clock": clock}, name, None, 0
        )
        if needs_example(name, PUBLIC[name]):
            assert example.examples, f"help({name}) shows no example"
        said: list[str] = []
        runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
        runner.run(example, out=said.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(said)
