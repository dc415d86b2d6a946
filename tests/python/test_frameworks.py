"""Modules for frameworks: none is imported unasked, and one that is absent is named."""

from __future__ import annotations

import pytest
from programs import run

# The package that brings it, and our module's name where that is another.
FRAMEWORKS = {
    "httpx": ("httpx", "httpx"),
    "requests": ("requests", "requests"),
    "grpc": ("grpcio", "grpc"),
    "celery": ("celery", "celery"),
    "prometheus_client": ("prometheus_client", "prometheus"),
}


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_framework_that_is_absent_is_named_with_its_package(framework: str) -> None:
    package, module = FRAMEWORKS[framework]
    script = f"""
import sys
sys.modules["{framework}"] = None
import lamport_clock.{module}
"""
    done = run("-c", script)
    last = done.stderr.splitlines()[-1]
    assert last == (
        f"ModuleNotFoundError: lamport_clock.{module} is for programs that use"
        f" {package}, which is not installed: pip install {package}"
    )


def test_what_a_framework_itself_is_missing_is_told_as_it_is() -> None:
    script = """
import sys
sys.modules["h11"] = None
sys.modules["httpcore"] = None
sys.modules["urllib3"] = None
import lamport_clock.requests
"""
    last = run("-c", script).stderr.splitlines()[-1]
    assert "urllib3" in last and "pip install" not in last


def test_the_other_modules_import_no_framework() -> None:
    script = """
import sys
import lamport_clock.asgi, lamport_clock.logging, lamport_clock.propagation, lamport_clock.wsgi
frameworks = {"celery", "fastapi", "flask", "grpc", "httpx", "prometheus_client", "requests"}
frameworks |= {"starlette", "structlog"}
print(sorted(frameworks & set(sys.modules)))
"""
    done = run("-c", script)
    assert done.stdout == "[]\n", done.stderr


def test_grpc_in_threads_imports_nothing_for_coroutines() -> None:
    script = """
import sys
import grpc
before = "lamport_clock._grpc_aio" in sys.modules
import lamport_clock.grpc
between = "lamport_clock._grpc_aio" in sys.modules
from lamport_clock.grpc import AioServerInterceptor, aio_client_interceptors
print(before, between, "lamport_clock._grpc_aio" in sys.modules)
try:
    from lamport_clock.grpc import nothing
except ImportError as error:
    print("nothing" in str(error))
"""
    assert run("-c", script).stdout == "False False True\nTrue\n"
