"""The base of the values in _values.py. They are frozen; they compare, hash, match and pickle by
their fields. Each field is declared once.

`dataclasses` would do that too, at several times the cost of importing the whole package.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing's own costs an import of typing
if not TYPE_CHECKING:

    def dataclass_transform(**_told: object) -> object:
        return lambda known: known
else:
    import inspect
    from typing import Any

    from typing_extensions import dataclass_transform


class _Field:
    """The declaration of one field of a class."""

    __slots__ = ("copied", "default", "doc")

    def __init__(self, doc: str, default: Any, copied: bool) -> None:  # noqa: ANN401
        self.doc = doc
        self.default = default
        self.copied = copied

    def at(self, place: int) -> property:
        if self.copied:
            return property(lambda value: value._fields[place].copy(), doc=self.doc)
        return property(lambda value: value._fields[place], doc=self.doc)


def field(doc: str, *, default: Any = ..., copied: bool = False) -> Any:  # noqa: ANN401
    """Declares a field. Its name and place come from its class. A mutable value has to be `copied`:
    every access then gets a copy."""
    return _Field(doc, default, copied)


class _Kind(type):
    """The metaclass of the values: it turns the declared fields into properties."""

    # __match_args__ is not declared here: type checkers then derive it from the fields.
    _names: tuple[str, ...]
    _defaults: dict[str, Any]

    def __new__(mcls, name: str, bases: tuple[type, ...], members: dict[str, Any]) -> _Kind:
        fields = {key: field for key, field in members.items() if isinstance(field, _Field)}
        for place, (key, field) in enumerate(fields.items()):
            members[key] = field.at(place)
        members.setdefault("__slots__", ())
        members["_names"] = tuple(fields)
        if fields:
            members["__match_args__"] = tuple(fields)
        members["_defaults"] = {
            key: field.default for key, field in fields.items() if field.default is not ...
        }
        # Pickles and users import the class from there.
        members["__module__"] = "lamport_clock"
        return super().__new__(mcls, name, bases, members)

    @property
    def __signature__(cls) -> inspect.Signature:
        from inspect import Parameter, Signature

        def parameter(name: str) -> Parameter:
            default = cls._defaults.get(name, Parameter.empty)
            return Parameter(name, Parameter.POSITIONAL_OR_KEYWORD, default=default)

        return Signature([parameter(name) for name in cls._names])


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
class Value(metaclass=_Kind):
    """The base class of all values."""

    # The fields, followed by anything that is not part of the value. Native code sets this too.
    __slots__ = ("_fields",)
    if TYPE_CHECKING:
        _fields: tuple[Any, ...]

    def __init__(self, *fields: Any, **named: Any) -> None:  # noqa: ANN401
        kind = type(self)
        names = kind._names
        if named or len(fields) != len(names):
            given = {**dict(zip(names, fields, strict=False)), **named}
            full = {**kind._defaults, **given}
            if len(given) != len(fields) + len(named) or full.keys() != set(names):
                raise TypeError(f"it is made by {kind.__name__}{kind.__signature__}")
            fields = tuple(full[name] for name in names)
        object.__setattr__(self, "_fields", self._complete(*fields))

    def _complete(self, *fields: Any) -> tuple[Any, ...]:  # noqa: ANN401
        return fields

    if not TYPE_CHECKING:

        def __setattr__(self, name: str, value: object) -> None:
            raise AttributeError(f"{type(self).__name__} is frozen: its {name!r} can't be changed")

        def __delattr__(self, name: str) -> None:
            self.__setattr__(name, None)

    def _told(self) -> tuple[Any, ...]:
        return self._fields[: len(type(self)._names)]

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._told() == other._told()

    def __hash__(self) -> int:
        return hash(self._told())

    def __repr__(self) -> str:
        named = zip(type(self)._names, self._told(), strict=True)
        fields = ", ".join(f"{name}={field!r}" for name, field in named)
        return f"{type(self).__name__}({fields})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self._told()

    def _repr_html_(self) -> str:
        from . import _html

        return _html.value(self, type(self)._names)
