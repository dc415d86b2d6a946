"""What users of the package can name: a line for each name, in docs/api/python.txt.

Which names there are is asked of the installed package; how each is declared stands in its sources
and, for native code, in its stub, which `make lint` holds against that code.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import os
from collections.abc import Iterator
from difflib import unified_diff
from pathlib import Path

import lamport_clock
import pytest
from test_docstrings import modules

LIST = Path(__file__).parents[2] / "docs" / "api" / "python.txt"
# No test sees a variable of ours.
IS_TO_BE_WRITTEN = "LAMPORT_UPDATE_API" in os.environ
UPDATE = (
    "cd tests/python && LAMPORT_UPDATE_API=1 ../../.tools/wheel/bin/python -m pytest test_api.py"
)


def is_public(name: str) -> bool:
    """Of those with underscores the ones that Python's own syntax calls."""
    return not name.startswith("_") or (name.startswith("__") and name.endswith("__"))


def declarations() -> dict[str, dict[str, ast.stmt]]:
    """What each file of the package declares at its top, by module and name."""
    found: dict[str, dict[str, ast.stmt]] = {}
    for file in Path(lamport_clock.__path__[0]).glob("*.py*"):
        if file.suffix in (".py", ".pyi"):
            body = ast.parse(file.read_text(encoding="utf-8")).body
            found[f"lamport_clock.{file.stem}"] = dict(named(body))
    return found


def named(body: list[ast.stmt]) -> Iterator[tuple[str, ast.stmt]]:
    for statement in body:
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield statement.name, statement
        elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            yield statement.target.id, statement


def declared(name: str, statement: ast.stmt) -> str:
    """A declaration in one line."""
    if isinstance(statement, ast.AnnAssign):
        return f"{name}: {ast.unparse(statement.annotation)}"
    assert isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef))
    marks = {ast.unparse(mark) for mark in statement.decorator_list}
    returns = ast.unparse(statement.returns) if statement.returns else "None"
    if "property" in marks:
        return f"{name}: {returns}, read only"
    kind = "async " if isinstance(statement, ast.AsyncFunctionDef) else ""
    kind += "".join(f"{mark} " for mark in sorted(marks & {"classmethod", "staticmethod"}))
    return f"{name}: {kind}({ast.unparse(statement.args)}) -> {returns}"


DECLARED = declarations()


def declaration(thing: type) -> ast.ClassDef:
    """Many name the package as their module: then it is any file of its."""
    own = DECLARED.get(thing.__module__)
    for declared_there in [own] if own else DECLARED.values():
        statement = declared_there.get(thing.__name__)
        if isinstance(statement, ast.ClassDef):
            return statement
    raise AssertionError(f"{thing} is declared nowhere")


def members(full: str, thing: type) -> Iterator[str]:
    """What belongs to a class, also by way of a base that is no user's business."""
    bases = [
        f"{base.__module__}.{base.__name__}".removeprefix("builtins.") for base in thing.__bases__
    ]
    yield f"{full}: class({', '.join(bases)})"
    seen: set[str] = set()
    for base in thing.__mro__:
        if not base.__module__.startswith("lamport_clock"):
            continue
        inside = dict(named(declaration(base).body))
        plain = [name for name in vars(base) if not name.startswith("_")]
        for name in {*filter(is_public, inside), *plain} - seen:
            seen.add(name)
            if name in inside:
                # A field that native code fills in, or one of the class: both can be asked for.
                assert hasattr(thing, name) or isinstance(inside[name], ast.AnnAssign), name
                yield declared(f"{full}.{name}", inside[name])
            else:
                yield f"{full}.{name}: {type(getattr(thing, name)).__name__}"


def public_api() -> Iterator[str]:
    for module_name in modules():
        if module_name.endswith("__main__"):
            continue
        module = importlib.import_module(module_name)
        yield f"{module_name}: module"
        for name in module.__all__:
            thing, full = getattr(module, name), f"{module_name}.{name}"
            if inspect.isclass(thing):
                yield from members(full, thing)
            elif inspect.isfunction(thing):
                yield declared(full, DECLARED[thing.__module__][thing.__name__])
            else:
                yield f"{full}: {type(thing).__name__}"


def test_the_public_api_is_the_one_that_is_listed() -> None:
    api = sorted(public_api())
    if IS_TO_BE_WRITTEN:
        LIST.write_text("".join(f"{line}\n" for line in api), encoding="utf-8")
    listed = LIST.read_text(encoding="utf-8").splitlines()
    difference = "\n".join(unified_diff(listed, api, LIST.name, "the package", "", "", 0, ""))
    if difference:
        pytest.fail(
            f"the public API is not what docs/api/python.txt says:\n{difference}\n"
            "If users should see that, say it in CHANGELOG.md and take it into the list:\n"
            f"{UPDATE}",
            pytrace=False,
        )


def test_the_list_has_native_code_fields_settings_and_errors() -> None:
    listed = LIST.read_text(encoding="utf-8").splitlines()
    for line in (
        "lamport_clock.SharedClock.reserve: (self, count: int) -> Reservation",
        "lamport_clock.SharedClock.instance: int, read only",
        "lamport_clock.Update.value: int",
        "lamport_clock.LamportError.kind: ClassVar[str]",
    ):
        assert line in listed, line
