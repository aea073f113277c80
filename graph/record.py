"""`dataclass` as in the standard library, for less time at the start of a command. Knows no class of ours.

The standard one compiles up to eight methods for each class when its module is loaded. This one compiles
`__init__` alone, when the first object is made, and does the rest from the list of fields: a class costs a
tenth of the time, and `tracker build` loads 150 of them, of which it makes objects of half.
"""

from __future__ import annotations

import dataclasses
from dataclasses import Field, FrozenInstanceError
from operator import attrgetter
from typing import TYPE_CHECKING, Any

__all__ = ["dataclass"]

if TYPE_CHECKING:  # for type checkers it is the standard one
    from dataclasses import dataclass
else:

    def dataclass(cls=None, /, *, frozen=False, slots=False, order=False, kw_only=False):
        """Make a class of records: a decorator. Mutable ones have no hash."""

        def make(cls):
            if order:  # compiled: four comparisons that rest on the one of equality
                return dataclasses.dataclass(cls, frozen=frozen, slots=slots, order=True, kw_only=kw_only)
            made = dataclasses.dataclass(cls, slots=slots, kw_only=kw_only, init=False, repr=False, eq=False)
            return _with_methods(made, frozen)

        return make if cls is None else make(cls)


def _with_methods(cls: type, frozen: bool) -> type:
    fields = dataclasses.fields(cls)
    methods = {
        "__init__": _init(cls, fields, frozen),
        "__repr__": _repr(fields),
        **_eq_and_hash(fields, frozen),
    }
    if frozen:
        methods |= _frozen(cls, fields)
    for name, method in methods.items():
        if name not in cls.__dict__ or (name == "__hash__" and cls.__dict__[name] is None):
            setattr(cls, name, method)
    return cls


def _init(cls: type, fields: tuple[Field[Any], ...], frozen: bool) -> Any:
    def __init__(self: object, *values: Any, **named: Any) -> None:
        compiled = _compiled_init(cls, fields, frozen)
        cls.__init__ = compiled  # type: ignore[misc]
        compiled(self, *values, **named)

    return __init__


def _compiled_init(cls: type, fields: tuple[Field[Any], ...], frozen: bool) -> Any:
    """That of a standard dataclass with the same fields."""
    body: dict[str, Any] = {field.name: field for field in fields}
    body["__annotations__"] = {field.name: field.type for field in fields}
    body |= {"__module__": cls.__module__, "__qualname__": cls.__qualname__}
    body["__doc__"] = cls.__name__  # without one, the signature is looked up for it
    if hasattr(cls, "__post_init__"):
        body["__post_init__"] = cls.__post_init__
    # With slots a field that no argument sets gets its default from __init__, as no class attribute has it.
    slots = "__slots__" in cls.__dict__
    twin: Any = type(cls.__name__, (), body)
    return dataclasses.dataclass(twin, frozen=frozen, slots=slots, repr=False, eq=False).__init__


def _repr(fields: tuple[Field[Any], ...]) -> Any:
    shown = [field.name for field in fields if field.repr]

    def __repr__(self: object) -> str:
        pairs = ", ".join(f"{name}={getattr(self, name)!r}" for name in shown)
        return f"{self.__class__.__qualname__}({pairs})"

    return __repr__


def _eq_and_hash(fields: tuple[Field[Any], ...], frozen: bool) -> dict[str, Any]:
    compared = [field.name for field in fields if field.compare]
    values = attrgetter(*compared) if compared else _nothing

    def __eq__(self: object, other: object) -> Any:
        if other.__class__ is not self.__class__:
            return NotImplemented
        return values(self) == values(other)

    def __hash__(self: object) -> int:
        return hash(values(self))

    return {"__eq__": __eq__, "__hash__": __hash__ if frozen else None}


def _frozen(cls: type, fields: tuple[Field[Any], ...]) -> dict[str, Any]:
    names = frozenset(field.name for field in fields)

    def __setattr__(self: object, name: str, value: object) -> None:
        if type(self) is cls or name in names:
            raise FrozenInstanceError(f"cannot assign to field {name!r}")
        object.__setattr__(self, name, value)

    def __delattr__(self: object, name: str) -> None:
        if type(self) is cls or name in names:
            raise FrozenInstanceError(f"cannot delete field {name!r}")
        object.__delattr__(self, name)

    def __getstate__(self: object) -> list[Any]:  # for copies of records with slots
        return [getattr(self, field.name) for field in fields]

    def __setstate__(self: object, state: list[Any]) -> None:
        for field, value in zip(fields, state, strict=True):
            object.__setattr__(self, field.name, value)

    methods = {"__setattr__": __setattr__, "__delattr__": __delattr__}
    return methods | {"__getstate__": __getstate__, "__setstate__": __setstate__}


def _nothing(_: object) -> tuple[()]:
    return ()
