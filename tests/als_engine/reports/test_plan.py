"""A plan of a level knows its things, their sizes, and what nobody can reach."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from acme_cellar import CELLAR
from PIL import Image

from als_engine.errors import ArgumentError
from als_engine.reports.plan import Plan, together
from als_engine.reports.plan_figure import write_plan
from als_engine.simulation import simulate


@pytest.fixture(scope="module")
def plan():
    simulation = simulate(CELLAR)
    simulation.reset([0])
    yield Plan(simulation)
    simulation.close()


def test_it_says_what_is_out_of_reach(plan):
    said = plan.out_of_reach()
    assert said.startswith("Out of reach: chest; sign secret; ")
    assert said.endswith(" m² of floor")
    # The cellar's floor without what is too near to its walls and the chest.
    assert 6.0 < float(said.split()[-4]) < 13.0


def test_doors_are_walked_through_and_what_lies_behind_is_reached(plan):
    reachable = {thing.name: thing.reachable for thing in plan.things}
    assert reachable["ball 1"]
    assert reachable["ball 2"]
    assert reachable["notice"]
    assert not reachable["chest"]
    assert not reachable["secret"]


def test_things_have_their_sizes_and_what_can_be_done_with_them(plan):
    things = {thing.name: thing for thing in plan.things}
    assert things["table"].measures == "1.2 × 0.8 × 0.7"
    assert things["ball 1"].measures == "⌀ 0.4 × 0.4"
    assert things["notice"].measures == "1 × 0.5"
    assert things["drip"].measures == ""
    assert things["ball 1"].what == "portable, 0.5 kg"
    assert things["chest"].what == "usable, fixed"
    assert things["door"].what == "door"
    assert things["lamp"].overhead
    assert things["mat"].flat
    assert plan.absent == ["late"]
    assert "late" not in things


def test_avatars_that_no_way_connects_are_told(plan):
    state = plan.state
    before = state.avatars.position.copy()
    state.avatars.position[0, 1, :2] = (-4.0, 1.0)
    simulation = type("Seen", (), {"state": state, "agents": ("a", "b")})
    try:
        assert Plan(simulation).out_of_reach() == "Out of reach: no way between a and b"
    finally:
        state.avatars.position[:] = before


def test_names_that_differ_in_a_number_are_one(plan):
    assert together(["cube 1", "cube 3", "cube 2", "vase"]) == "cube 1 to 3, vase"
    assert together(["cube 1", "cube 3", "cube 7"]) == "cube 1, 3, 7"
    assert together(["cube 1", "cube 2"]) == "cube 1, cube 2"
    assert together([], "sign") == ""


def test_the_figure_shows_the_plan_beside_the_picture(plan, tmp_path: Path) -> None:
    path, picture = tmp_path / "plan.png", np.full((480, 640, 3), (255, 0, 255), np.uint8)
    write_plan(plan, picture, "Acme/Cellar-v0 $x^2$", "fetch \x1b[2J the $ball$", path)
    shown = np.asarray(Image.open(path).convert("RGB"))
    assert shown.shape[:2] == (990, 1760)
    assert (shown[:, 1100:] == (255, 0, 255)).all(-1).sum() > 100_000
    # The red of the balls is on the plan, and so is the tint of what cannot be reached.
    assert (np.abs(shown[:, :1050].astype(int) - (204, 62, 56)).sum(-1) < 12).any()
    assert [file.name for file in tmp_path.iterdir()] == ["plan.png"]


def test_another_ending_is_refused(plan, tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=r"ends in \.svg or \.png"):
        write_plan(plan, np.zeros((4, 4, 3), np.uint8), "", "", tmp_path / "plan.gif")
