"""Stamps in the calls of gRPC, over real connections on loopback."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from lamport_clock import SharedClock, propagation
from lamport_clock.grpc import ClientInterceptor, ServerInterceptor
from servers import PATIENCE
from services import FAR_AHEAD, HOSTILE, Recorder
from shops import KINDS, Service, call, last_time, sendable, serving, silent


@pytest.mark.parametrize("kind", KINDS)
def test_a_call_and_its_answer_are_in_order(kind: str) -> None:
    here, service = SharedClock.memory("here"), Service(SharedClock.memory("there"))
    with serving(service) as address, grpc.insecure_channel(address) as plain:
        channel: Any = grpc.intercept_channel(plain, ClientInterceptor(here, "everybody"))
        for _ in range(3):
            for _ in range(10):
                before = here.tick()
            there = last_time(call(channel, kind, metadata=(("theirs", "kept"),)))
            assert before < service.began[-1]
            assert here.now() > there
        assert ("theirs", "kept") in service.metadata
        sent = [value for name, value in service.metadata if name == "lamport"]
        assert len(sent) == 1 and f"@here;instance={here.instance:016x}" in str(sent[0])


def test_a_future_has_its_stamp_when_it_has_its_result() -> None:
    here, service = SharedClock.memory("here"), Service(SharedClock.memory("there"))
    service.clock.receive(1_000)
    with serving(service) as address, grpc.insecure_channel(address) as plain:
        channel: Any = grpc.intercept_channel(plain, ClientInterceptor(here, "everybody"))
        method = channel.unary_unary("/Shop/unary_unary")
        for get in ("result", "exception"):
            service.clock.receive(service.clock.now() + 1_000)
            future = method.future(b"x")
            getattr(future, get)(timeout=PATIENCE)
            assert here.now() > service.began[-1].time
            assert future.done() and future.code() is grpc.StatusCode.OK
        service.clock.receive(service.clock.now() + 1_000)
        called: list[int] = []
        future = method.future(b"x")
        future.add_done_callback(lambda done: called.append(here.now()))
        future.result(PATIENCE)
        assert here.now() > service.began[-1].time
    assert called and called[0] > service.began[-1].time


@pytest.mark.parametrize("kind", ["unary_unary", "unary_stream"])
def test_a_failed_call_brings_its_stamp_too(kind: str) -> None:
    here, service = SharedClock.memory("here"), Service(SharedClock.memory("there"))
    service.clock.receive(1_000)
    with serving(service) as address, grpc.insecure_channel(address) as plain:
        channel: Any = grpc.intercept_channel(plain, ClientInterceptor(here, "everybody"))
        with pytest.raises(grpc.RpcError) as caught:
            call(channel, kind, b"abort")
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND
        assert caught.value.details() == "no tea"
        assert here.now() > service.clock.now() - 1 > 1_000
        if kind == "unary_unary":
            assert ("theirs", "kept") in list[Any](caught.value.trailing_metadata())
            with pytest.raises(grpc.RpcError, match="out of tea"):
                call(channel, kind, b"raise")
            assert here.now() > service.began[-1].time


def test_a_stream_stamps_its_first_message_unless_the_handler_was_first() -> None:
    here, service = SharedClock.memory("here"), Service(SharedClock.memory("there"))
    service.clock.receive(1_000)
    with serving(service) as address, grpc.insecure_channel(address) as plain:
        channel: Any = grpc.intercept_channel(plain, ClientInterceptor(here, "everybody"))
        method = channel.unary_stream("/Shop/unary_stream")
        stream = method(b"x")
        first = int(next(stream))
        assert here.now() > first > 1_000
        last = int([*stream][-1])
        assert here.now() > last
        service.clock.receive(service.clock.now() + 1_000)
        stream = method(b"own")
        assert ("theirs", "kept") in [*stream.initial_metadata()]
        last = int([*stream][-1])
        assert here.now() > last


def test_a_method_that_nobody_serves_is_told_as_ever() -> None:
    here, service = SharedClock.memory("here"), Service(SharedClock.memory("there"))
    with serving(service) as address, grpc.insecure_channel(address) as plain:
        channel: Any = grpc.intercept_channel(plain, ClientInterceptor(here, "everybody"))
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary("/Shop/none")(b"x")
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    with grpc.insecure_channel("127.0.0.1:9") as plain:
        channel = grpc.intercept_channel(plain, ClientInterceptor(here, "everybody"))
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary("/Shop/unary_unary")(b"x")
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize("kind", KINDS)
def test_a_deadline_ends_a_call_and_a_caller_may_cancel_it(kind: str) -> None:
    here = SharedClock.memory("here")
    with silent() as address, grpc.insecure_channel(address) as plain:
        channel: Any = grpc.intercept_channel(plain, ClientInterceptor(here, "everybody"))
        with pytest.raises(grpc.RpcError) as caught:
            call(channel, kind, timeout=0.2)
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        method = getattr(channel, kind)(f"/Shop/{kind}")
        argument = iter([b"x"]) if kind.startswith("stream") else b"x"
        if kind.endswith("stream"):
            stream = method(argument)
            assert next(stream) == b"first"
            stream.cancel()
            with pytest.raises(grpc.RpcError) as caught:
                next(stream)
            assert caught.value.code() is grpc.StatusCode.CANCELLED
        else:
            future = method.future(argument)
            with pytest.raises(grpc.FutureTimeoutError):
                future.result(timeout=0.01)
            assert future.cancel()
            with pytest.raises(grpc.FutureCancelledError):
                future.result(timeout=PATIENCE)


class Onlooker(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor):
    """Somebody else's interceptor, which looks at the answer."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:  # noqa: ANN401
        self.calls.append(continuation(details, request))
        return self.calls[-1]

    def intercept_unary_stream(self, continuation: Any, details: Any, request: Any) -> Any:  # noqa: ANN401
        return self.intercept_unary_unary(continuation, details, request)


@pytest.mark.parametrize("kind", ["unary_unary", "unary_stream"])
def test_an_interceptor_above_ours_is_given_a_call(kind: str) -> None:
    service = Service(SharedClock.memory("there"))
    onlooker = Onlooker()
    with serving(service) as address, grpc.insecure_channel(address) as channel:
        ours = ClientInterceptor(SharedClock.memory("here"))
        call(grpc.intercept_channel(channel, onlooker, ours), kind)
    (answer,) = onlooker.calls
    assert all(isinstance(answer, one) for one in (grpc.Call, grpc.Future))
    answer.theirs = "kept"
    assert answer.theirs == "kept"


class Context:
    """That of a call, which can't be read back, as in a thread of grpc.aio."""

    verdict: str

    def invocation_metadata(self) -> tuple[()]:
        return ()

    def set_trailing_metadata(self, metadata: object) -> None:
        self.sent = metadata


def test_what_a_handler_sets_on_its_context_is_seen_above() -> None:
    def judge(request: bytes, context: Any) -> bytes:  # noqa: ANN401
        assert isinstance(context, Context)
        context.verdict = "guilty"
        return request

    handler: Any = grpc.unary_unary_rpc_method_handler(judge)
    interceptor = ServerInterceptor(SharedClock.memory("there"), "everybody")
    context = Context()
    stamping = interceptor.intercept_service(lambda _: handler, None)
    assert stamping.unary_unary(b"x", context) == b"x"
    assert context.verdict == "guilty"
    assert "lamport" in str(context.sent)


@pytest.mark.parametrize("kind", KINDS)
def test_hostile_metadata_breaks_no_call(kind: str) -> None:
    service = Service(SharedClock.memory("there"))
    with serving(service) as address, grpc.insecure_channel(address) as channel:
        for value in filter(sendable, HOSTILE):
            before = service.clock.now()
            call(channel, kind, metadata=(("lamport", value),))
            assert service.clock.now() < before + 20
        both = (("lamport", FAR_AHEAD), ("lamport", "1000@honest"))
        call(channel, kind, metadata=both)
        assert 1_000 < service.clock.now() < 1_020


def test_a_servers_hostile_metadata_breaks_no_call() -> None:
    def answer(_request: bytes, context: Any) -> bytes:  # noqa: ANN401
        context.send_initial_metadata((("lamport", FAR_AHEAD),))
        context.set_trailing_metadata((("lamport", "-1@evil"), ("lamport", "\x20")))
        return b"x"

    handler: Any = grpc.unary_unary_rpc_method_handler(answer)
    here = Recorder()
    with ThreadPoolExecutor(1) as threads:
        server = grpc.server(threads)
        server.add_generic_rpc_handlers(
            [grpc.method_handlers_generic_handler("Shop", {"unary_unary": handler})]
        )
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            with grpc.insecure_channel(f"127.0.0.1:{port}") as plain:
                channel: Any = grpc.intercept_channel(plain, ClientInterceptor(here, "everybody"))
                assert call(channel, "unary_unary") == b"x"
        finally:
            server.stop(None).wait(PATIENCE)
    assert here.tick().time == 2
    assert propagation.stats().too_far_ahead > 0
