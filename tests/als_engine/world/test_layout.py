"""Layouts: what no world can hold is refused in one line that names the thing."""

from __future__ import annotations

import dataclasses
import math

import pytest

from als_engine.errors import LayoutError
from als_engine.world.layout import (
    Box,
    Cylinder,
    Layout,
    Prop,
    Sign,
    SoundSource,
    Spawn,
    Sphere,
    check_sign_text,
    rgb,
)

CUBE = Box(1, 1, 1)


def test_a_shape_is_given_by_its_full_size_and_halved():
    assert Box(1, 2, 3).half == (0.5, 1.0, 1.5)
    assert Sphere(0.5).half == (0.5, 0.5, 0.5)
    assert Cylinder(0.5, 3).half == (0.5, 0.5, 1.5)


def test_a_prop_with_two_coordinates_stands_on_the_floor():
    assert Prop(Box(1, 1, 3), (4, 5)).center == (4, 5, 1.5)
    assert Prop(Box(1, 1, 3), (4, 5, 6)).center == (4, 5, 6)


def test_colors_are_names_or_channels():
    assert rgb((1, 2, 3)) == (1, 2, 3)
    assert len(rgb("red")) == 3


@pytest.mark.parametrize(
    ("color", "message"),
    [
        ("rde", 'unknown color "rde"; did you mean "red"?'),
        ((0, 0, 256), "color (0, 0, 256) is not a known name or three channels of 0 to 255"),
        ((0, 0), "color (0, 0) is not a known name"),
    ],
)
def test_wrong_colors_are_named(color, message):
    with pytest.raises(LayoutError) as error:
        Layout(spawns=[], props={"it": Prop(CUBE, (0, 0), color=color)}).check(0)
    assert message in str(error.value)


GOOD = Layout(
    spawns=[(0, 0), Spawn((1, 1), 2.0)],
    walls=[Prop(Box(4, 0.2, 2), (0, 3))],
    props={"ball": Prop(Sphere(0.2), (2, 2), mass=1.0, portable=True)},
    signs={"board": Sign("HELLO", (0, 2.8, 1.5))},
    sounds={"bell": SoundSource((0, 0, 1))},
    instruction=("go", "wait"),
)


def test_a_sound_layout_passes():
    GOOD.check(2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"spawns": [(0, 0)]}, "layout has 1 spawns for 2 avatars"),
        ({"spawns": [(0, 0), (math.nan, 0)]}, "spawn 1 has a value that is not finite"),
        ({"spawns": [(0, 0), (1,)]}, "spawn 1 needs a position (x, y), got (1,)"),
        ({"instruction": ["go"]}, "layout has 1 instructions for 2 avatars"),
        ({"walls": [Prop(Sphere(1), (0, 0))]}, "wall 0 must be a Box of mass 0"),
        ({"walls": [Prop(CUBE, (0, 0), mass=1)]}, "wall 0 must be a Box of mass 0"),
        ({"props": {"a": Prop(CUBE, (0,))}}, "prop 'a' needs a position (x, y) or (x, y, z)"),
        ({"props": {"a": Prop(CUBE, (0, math.inf))}}, "prop 'a' has a value that is not finite"),
        ({"props": {"a": Prop(Box(1, 0, 1), (0, 0))}}, "prop 'a' has a size that is not positive"),
        ({"props": {"a": Prop(CUBE, (0, 0), mass=-1)}}, "prop 'a' has a negative mass or friction"),
        ({"props": {"a": Prop(CUBE, (0, 0), portable=True)}}, "prop 'a' is portable, so it needs"),
        ({"signs": {"s": Sign("1", (0, 0))}}, "sign 's' needs a position (x, y, z), got (0, 0)"),
        (
            {"signs": {"s": Sign("1", (0, 0, 1), width=0)}},
            "sign 's' has a size that is not",
        ),
        ({"signs": {"s": Sign("x" * 17, (0, 0, 1))}}, "sign 's' holds 4 lines of 16 characters"),
        ({"signs": {"s": Sign("1\n" * 4, (0, 0, 1))}}, "sign 's' holds 4 lines of 16 characters"),
        ({"signs": {"s": Sign("a\tb", (0, 0, 1))}}, "sign 's' shows no control characters"),
        ({"signs": {"s": Sign("é" * 17, (0, 0, 1))}}, "sign 's' holds 4 lines of 16 characters"),
        ({"sounds": {"s": SoundSource((0, 0))}}, "sound 's' needs a position (x, y, z)"),
        (
            {"sounds": {"s": SoundSource((0, 0, 1), switch="lever")}},
            "sound 's': its switch 'lever' is no usable prop",
        ),
        ({"sounds": {"s": SoundSource((0, 0, 1), [1] * 7)}}, "sound 's' needs 8 bands"),
        ({"sounds": {"s": SoundSource((0, 0, 1), [-1] * 8)}}, "sound 's' needs 8 bands"),
    ],
)
def test_what_no_world_can_hold_is_refused_in_one_line(change, message):
    with pytest.raises(LayoutError) as error:
        dataclasses.replace(GOOD, **change).check(2)
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_sign_text_is_cut_into_its_lines():
    assert check_sign_text("sign 's'", "3 + 4\n= ?") == ["3 + 4", "= ?"]
    assert check_sign_text("sign 's'", "") == [""]
