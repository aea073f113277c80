from __future__ import annotations

import copy
import dataclasses
import pickle
from dataclasses import field, replace

import pytest

from graph.record import dataclass


@dataclass(frozen=True, slots=True)
class Point:
    x: int
    y: int = 0
    note: str = field(default="", compare=False)
    secret: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Other:
    x: int
    y: int = 0
    note: str = ""
    secret: str = ""


@dataclass(frozen=True, slots=True)
class Nothing:
    pass


@dataclass(slots=True)
class Mutable:
    x: int = 0


@dataclass(frozen=True, slots=True, order=True)
class Version:
    major: int


@dataclass(frozen=True, slots=True)
class Named:
    name: str

    def __repr__(self) -> str:
        return "***"


def test_records_are_equal_where_all_that_is_compared_is() -> None:
    assert Point(1, 2, note="a") == Point(1, 2, note="b")
    assert Point(1, 2) != Point(1, 3)
    assert Nothing() == Nothing()


def test_records_of_two_classes_are_never_equal() -> None:
    assert Point(1).__eq__(Other(1)) is NotImplemented


def test_equal_records_have_one_hash() -> None:
    assert len({Point(1, note="a"), Point(1, note="b"), Point(2), Nothing(), Nothing()}) == 3


def test_a_mutable_record_has_no_hash() -> None:
    with pytest.raises(TypeError, match="unhashable"):
        hash(Mutable())


def test_the_text_shows_every_field_that_may_be_shown() -> None:
    assert repr(Point(1, 2, secret="s")) == "Point(x=1, y=2, note='')"
    assert repr(Nothing()) == "Nothing()"


def test_a_class_keeps_the_methods_that_it_brings() -> None:
    assert repr(Named("password")) == "***"


def test_a_frozen_record_cannot_be_changed_or_given_more() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Point(1).x = 2  # type: ignore[misc]
    assert not hasattr(Point(1), "__dict__")


def test_records_are_the_standard_dataclasses_else() -> None:
    assert replace(Point(1), y=5) == Point(1, 5)
    assert [each.name for each in dataclasses.fields(Mutable(1))] == ["x"]
    assert Version(1) < Version(2)


@dataclass(slots=True)
class Counted:
    parts: list[int] = field(default_factory=list)
    total: int = field(init=False)
    is_shown: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self.total = sum(self.parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class ByName:
    x: int


def test_a_frozen_record_loses_no_field() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        del Point(1).x


def test_each_record_has_defaults_of_its_own() -> None:
    one, other = Counted(), Counted()
    one.parts.append(1)
    assert other.parts == []


def test_what_a_class_does_after_init_is_done_for_every_record() -> None:
    assert [Counted([1]).total, Counted([1, 2]).total] == [1, 3]


def test_a_field_that_no_argument_sets_has_its_default() -> None:
    assert Counted().is_shown is False


def test_a_missing_field_is_named_with_its_class() -> None:
    with pytest.raises(TypeError, match=r"Point\.__init__\(\) missing 1 required positional argument: 'x'"):
        Point()  # type: ignore[call-arg]


def test_fields_by_name_alone_are_not_taken_by_place() -> None:
    assert ByName(x=1).x == 1
    with pytest.raises(TypeError):
        ByName(1)  # type: ignore[call-arg]


def test_a_copy_of_a_frozen_record_is_equal_to_it() -> None:
    assert copy.copy(Point(1, 2)) == Point(1, 2)
    assert pickle.loads(pickle.dumps(Point(1, 2))) == Point(1, 2)
