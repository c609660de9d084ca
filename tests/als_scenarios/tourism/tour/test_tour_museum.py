"""The museum: floor plans, exhibits, labels and pictures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from als_engine.task import LEVELS
from als_engine.world.layout import check_sign_text
from als_scenarios.tourism.tour import paintings
from als_scenarios.tourism.tour.floor import PLANS, ROOMS, Floor
from als_scenarios.tourism.tour.museum import EXHIBITS, PICTURES, draw_exhibits
from als_scenarios.tourism.tour.taste import NUM_ATTRIBUTES
from als_scenarios.tourism.tour.tour import Tour
from als_scenarios.tourism.tour.ways import away, next_point, room_at, way


def layout(level: int, visitors: int = 3) -> Any:
    return Tour(visitors + 1).layout(np.random.default_rng([7, level]), level)


def levels(count: int = 12) -> list[int]:
    return [level for split in LEVELS for level in LEVELS[split][:count]]


def test_each_split_has_floor_plans_of_its_own() -> None:
    for split in LEVELS:
        met = {Floor(np.random.default_rng(i), LEVELS[split][i]).plan for i in range(60)}
        assert met == {name for name, plan in PLANS.items() if plan[0] == split}


def test_no_two_splits_share_a_concept() -> None:
    about = {
        split: {c for level in LEVELS[split][:40] for c in Tour(5).concepts(layout(level, 4))}
        for split in LEVELS
    }
    assert not about["train"] & about["validation"]
    assert not about["train"] & about["test"]
    assert not about["validation"] & about["test"]


@pytest.mark.parametrize("plan", PLANS)
def test_from_every_room_the_way_leads_to_every_other_through_doors(plan: str) -> None:
    level = LEVELS[PLANS[plan][0]][0]
    floors = (Floor(np.random.default_rng(seed), level) for seed in range(60))
    floor = next(floor for floor in floors if floor.plan == plan)
    joined = {frozenset(pair) for pair in floor.pairs}
    for a in range(ROOMS):
        for b in range(ROOMS):
            here, hops = a, 0
            while here != b:
                after = int(floor.next_room[here, b])
                assert frozenset((here, after)) in joined
                here, hops = after, hops + 1
                assert hops < ROOMS


def test_ways_are_as_long_as_their_straight_parts_and_lead_to_the_door_first() -> None:
    rooms = np.array([[[-6.0, -2, -2, 2], [-2, -2, 2, 2], [2, -2, 6, 2], [2, 2, 6, 6]]])
    chain = np.array([[0, 1, 1, 1], [0, 1, 2, 2], [1, 1, 2, 3], [2, 2, 2, 3]], np.int32)
    door = np.zeros((1, 4, 4, 2))
    door[0, :2, 2:] = (2.0, 0.0)
    door[0, 0, 1:] = (-2.0, 0.0)
    door[0, 2, 3] = (4.0, 2.0)
    nothing = np.zeros((1, 1, 2))
    museum = (nothing,) * 4 + (np.zeros((1, 1), np.int32), rooms, chain[None], door, nothing[0])
    from als_engine.system.compiling import kernel
    from als_scenarios.tourism.tour.ways import Museum

    @kernel
    def ask(museum, x, y, tx, ty):
        museum = Museum(*museum)
        a, b = room_at(x, y, museum.rooms[0]), room_at(tx, ty, museum.rooms[0])
        u, v = next_point(0, x, y, a, tx, ty, b, museum)
        return way(0, x, y, a, tx, ty, b, museum), u, v

    assert ask(museum, -4.0, 0.0, -4.0, 1.0) == (1.0, -4.0, 1.0)
    length, *point = ask(museum, -4.0, 0.0, 4.0, 4.0)
    assert length == pytest.approx(2 + 4 + np.hypot(2, 2) + 2)
    assert point == [-2.0, 0.0]
    assert ask(museum, -2.2, 0.0, 0.0, 1.0)[1:] == (-1.5, 0.0)  # Through the door.
    assert away.__name__ == "away"


def test_every_exhibit_is_about_three_attributes_and_each_is_first_in_two() -> None:
    for seed in range(30):
        collection = draw_exhibits(np.random.default_rng(seed))
        first = [about[0] for about in collection.about]
        assert np.bincount(first, minlength=NUM_ATTRIBUTES).tolist() == [2] * NUM_ATTRIBUTES
        np.testing.assert_allclose(np.square(collection.strengths).sum(1), 1.0)
        assert ((collection.strengths > 0).sum(1) == 3).all()
        for e, (about, stars) in enumerate(zip(collection.about, collection.stars, strict=True)):
            assert stars[0] == 3
            scale = collection.strengths[e, about[0]] / 3
            np.testing.assert_allclose(
                collection.strengths[e, list(about)], scale * np.array(stars)
            )


@pytest.mark.parametrize("level", levels(8))
def test_labels_say_everything_and_guides_have_room(level: int) -> None:
    drawn = layout(level)
    quantities = drawn.quantities
    for i in range(EXHIBITS):
        lines = check_sign_text("label", drawn.signs[f"label_{i + 1}"].text)
        assert len(lines) == 4
        stars = {line.split()[0]: line.count("*") for line in lines[1:]}
        assert all(1 <= count <= 3 for count in stars.values())
        assert next(iter(stars.values())) == 3
    rooms = np.array(quantities["rooms"])[np.array(quantities["room_of"])]
    stand = np.array(quantities["stand"])
    assert (stand > rooms[:, :2] + 0.3).all()
    assert (stand < rooms[:, 2:] - 0.3).all()
    gaps = np.linalg.norm(stand[:, None] - np.array(quantities["place"])[None], axis=2)
    assert (np.diagonal(gaps) < 1.2).all()


def test_levels_name_the_same_things_for_any_party() -> None:
    for visitors in (2, 5):
        drawn = layout(3, visitors)
        assert len(drawn.spawns) == visitors + 1
        assert len(drawn.screens) == PICTURES
        assert len(np.array(drawn.quantities["taste"])) == visitors


def test_pictures_show_what_they_are_about() -> None:
    pictures = {}
    for first in range(NUM_ATTRIBUTES):
        others = tuple(k for k in range(NUM_ATTRIBUTES) if k != first)[:2]
        for variant in range(paintings.VARIANTS):
            picture = paintings.paint((first, *others), variant)
            assert picture.shape == (paintings.ROWS, paintings.COLUMNS, 3)
            assert picture.dtype == np.uint8
            pictures[first, variant] = picture.astype(float)
    for one, other in (((a, 0), (b, 0)) for a in range(6) for b in range(a)):
        assert np.abs(pictures[one] - pictures[other]).mean() > 4
