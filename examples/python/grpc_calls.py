"""A call of gRPC and a stream of answers, in the order of the clock.

    python examples/python/grpc_calls.py

It needs grpcio. What protoc would generate is left out: the messages are plain bytes.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
from lamport_clock import SharedClock
from lamport_clock.grpc import ClientInterceptor, ServerInterceptor

kitchen = SharedClock.memory("kitchen")
guest = SharedClock.memory("guest")


def say(clock: SharedClock, text: str) -> None:
    # One write for a line: print() writes its end apart, and the threads share a terminal.
    sys.stdout.write(f"{clock.tick()}: {text}\n")


def order(request: bytes, _context: grpc.ServicerContext) -> bytes:
    say(kitchen, f"an order of {request.decode()}")
    return b"it will take a while"


def courses(request: bytes, _context: grpc.ServicerContext) -> Iterator[bytes]:
    for course in request.split():
        say(kitchen, f"out goes the {course.decode()}")
        yield course


def main() -> None:
    handlers: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {
        "Order": grpc.unary_unary_rpc_method_handler(order),
        "Courses": grpc.unary_stream_rpc_method_handler(courses),
    }
    with ThreadPoolExecutor(2) as threads:
        server = grpc.server(threads, interceptors=[ServerInterceptor(kitchen, ["127.0.0.1"])])
        server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("Kitchen", handlers)])
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()

        with grpc.insecure_channel(f"127.0.0.1:{port}") as plain:
            channel = grpc.intercept_channel(plain, ClientInterceptor(guest, "everybody"))
            order_dinner: grpc.UnaryUnaryMultiCallable[bytes, bytes]
            order_dinner = channel.unary_unary("/Kitchen/Order")
            serve: grpc.UnaryStreamMultiCallable[bytes, bytes]
            serve = channel.unary_stream("/Kitchen/Courses")
            say(guest, "hungry")
            answer = order_dinner(b"everything")
            say(guest, answer.decode())
            for course in serve(b"soup pie"):
                say(guest, f"here is the {course.decode()}")
            say(guest, "full")
        server.stop(None).wait()


if __name__ == "__main__":
    main()
