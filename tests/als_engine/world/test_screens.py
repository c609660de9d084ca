"""Screens: what they show, who sees it, how a task switches them, and what is refused."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest
from PIL import Image
from rooms import World

from als_engine import Layout, Room, ScenarioSpec, Screen, Snapshot, Task, hookimpl
from als_engine.errors import ArgumentError, LayoutError, SavedFileError
from als_engine.evaluation.recording import Recorder
from als_engine.physics.engines import ENGINES
from als_engine.plugins.registry import registry
from als_engine.sensors.base import Setup
from als_engine.sensors.camera import Camera, third_person
from als_engine.simulation import simulate
from als_engine.world.screens import load_picture

RED, GREEN, BLUE, YELLOW = (250, 20, 20), (20, 250, 20), (20, 20, 250), (250, 250, 20)
SIGN = 6


def quarters(rows: int = 64, columns: int = 96) -> np.ndarray:
    """Red and green above blue and yellow."""
    picture = np.zeros((rows, columns, 3), np.uint8)
    top, left = slice(rows // 2), slice(columns // 2)
    low, right = slice(rows // 2, None), slice(columns // 2, None)
    picture[top, left], picture[top, right] = RED, GREEN
    picture[low, left], picture[low, right] = BLUE, YELLOW
    return picture


def layout(picture=None, **more) -> Layout:
    room = Room(5.0, 5.0)
    position, heading = room.on_wall("east", 0.0, 1.4, 0.03)
    shown = quarters() if picture is None else picture
    screen = Screen(shown, position, heading, 1.8, 1.2, **more)
    return Layout([(0.0, 0.0)], room.walls(), screens={"tv": screen})


def look(state) -> dict[str, np.ndarray]:
    """What the first avatar of every world sees."""
    worlds = state.num_worlds
    camera = Camera(Setup(worlds, 1, 1, (64, 64)), ("rgb", "semantic"))
    spaces = camera.spaces().items()
    out = {key: np.zeros((worlds, 1, *space.shape), space.dtype) for key, space in spaces}
    camera.read(state, out)
    return {key: array[:, 0] for key, array in out.items()}


def corners(seen: dict[str, np.ndarray], world: int = 0) -> list[np.ndarray]:
    """The colours near the four corners of what is seen of a screen, row by row."""
    rows, columns = np.nonzero(seen["semantic"][world, :, :, 0] == SIGN)
    top, low, left, right = rows.min() + 2, rows.max() - 2, columns.min() + 3, columns.max() - 3
    rgb = seen["rgb"][world].astype(int)
    return [rgb[y, x] for y in (top, low) for x in (left, right)]


def test_a_picture_is_seen_the_right_way_round():
    found = corners(look(World(layout()).state))
    for color, expected in zip(found, (RED, GREEN, BLUE, YELLOW), strict=True):
        np.testing.assert_allclose(color, expected, atol=16)


def test_a_finer_picture_is_averaged_and_not_sampled():
    """A checkerboard whose squares are smaller than a pixel is grey."""
    board = np.indices((512, 512)).sum(0) % 2 * 255
    seen = look(World(layout(np.repeat(board[..., None], 3, -1).astype(np.uint8))).state)
    for color in corners(seen):
        np.testing.assert_allclose(color, 127, atol=12)


def test_a_task_switches_the_screen_of_some_worlds():
    state = World(layout(), worlds=3).state
    whole = np.full((64, 96, 3), YELLOW, np.uint8)
    state.display("tv", [1], whole)
    state.display("tv", [False, False, True], None)
    seen = look(state)
    np.testing.assert_allclose(corners(seen, 0)[0], RED, atol=16)
    np.testing.assert_allclose(corners(seen, 1)[0], YELLOW, atol=16)
    assert (np.array(corners(seen, 2)) < 40).all()
    both = np.stack([whole, quarters()])
    state.display("tv", [2, 0], both)
    seen = look(state)
    np.testing.assert_allclose(corners(seen, 2)[0], YELLOW, atol=16)
    np.testing.assert_allclose(corners(seen, 0)[0], RED, atol=16)
    digests = {state.digest(world) for world in range(3)}
    assert len(digests) == 2


def test_people_see_it_from_the_front():
    picture = third_person(World(layout()).state, 0).astype(int)
    for color in (RED, GREEN, BLUE, YELLOW):
        assert (np.abs(picture - color).max(-1) < 30).sum() > 100


@pytest.mark.parametrize(
    ("picture", "wrong"),
    [
        (np.zeros((4, 4)), "uint8 pictures"),
        (np.zeros((4, 4), np.uint8), "uint8 pictures"),
        (np.zeros((4, 4, 4), np.uint8), "uint8 pictures"),
        (np.zeros((0, 4, 3), np.uint8), "at most 512"),
        (np.zeros((4, 513, 3), np.uint8), "at most 512"),
    ],
)
def test_what_is_no_picture_is_refused(picture, wrong):
    with pytest.raises(LayoutError, match="screen 'tv'") as error:
        layout(picture).check(1)
    assert wrong in str(error.value)
    state = World(layout()).state
    with pytest.raises(LayoutError, match="screen 'tv'"):
        state.display("tv", [0], picture)


def test_pictures_of_another_size_or_number_are_refused():
    state = World(layout(), worlds=2).state
    with pytest.raises(LayoutError, match="pictures of 64 x 96 pixels, got 32 x 32"):
        state.display("tv", [0], np.zeros((32, 32, 3), np.uint8))
    with pytest.raises(ArgumentError, match="3 pictures for 2 worlds"):
        state.display("tv", [0, 1], np.zeros((3, 64, 96, 3), np.uint8))
    with pytest.raises(ArgumentError, match='unknown screen "tw"; allowed: tv'):
        state.display("tw", [0], None)


def test_a_picture_comes_from_a_png_file(tmp_path):
    Image.fromarray(quarters()).save(tmp_path / "scan.png")
    np.testing.assert_array_equal(load_picture(tmp_path / "scan.png"), quarters())
    Image.fromarray(quarters(8, 600)).save(tmp_path / "wide.png")
    with pytest.raises(SavedFileError, match="8 x 600 pixels, at most 512 x 512"):
        load_picture(tmp_path / "wide.png")
    Image.fromarray(quarters()).save(tmp_path / "scan.gif")
    (tmp_path / "cut.png").write_bytes((tmp_path / "scan.png").read_bytes()[:60])
    for name in ("scan.gif", "cut.png", "none.png"):
        with pytest.raises(SavedFileError, match=name):
            load_picture(tmp_path / name)


class Cinema(Task):
    """A screen whose picture the level draws and the task changes in every fourth step."""

    default_sensors: ClassVar = ("rgb",)

    def layout(self, rng, level):
        return layout(rng.integers(0, 256, (16, 24, 3)).astype(np.uint8))

    def after_step(self, state):
        due = state.step % 4 == 0
        if due.any():
            drawn = (255 * state.uniform(1, (16, 24, 3))[due]).astype(np.uint8)
            state.display("tv", due, drawn)

    def reward(self, state):
        return self.everyone(np.zeros(state.num_worlds))


class Plugin:
    @hookimpl
    def als_scenarios(self):
        return [ScenarioSpec("Acme/Cinema-v0", f"{__name__}:Cinema", 50)]


@pytest.mark.parametrize("engine", ENGINES)
def test_snapshots_hold_what_is_shown(engine, tmp_path):
    plugin = registry.add(Plugin(), "acme-cinema")
    one, twin = (simulate("Acme/Cinema-v0", 2, physics=engine) for _ in range(2))
    one.reset([1, 2])
    for _ in range(6):
        one.step(np.ones((2, 1), int))
    one.snapshot().save(tmp_path / "moment")
    twin.restore(Snapshot.load(tmp_path / "moment"))
    twin.observe()
    np.testing.assert_array_equal(one.observations["rgb"], twin.observations["rgb"])
    for _ in range(6):
        one.step(np.ones((2, 1), int)), twin.step(np.ones((2, 1), int))
        np.testing.assert_array_equal(one.observations["rgb"], twin.observations["rgb"])
        assert [one.state.digest(w) for w in (0, 1)] == [twin.state.digest(w) for w in (0, 1)]
    one.close(), twin.close()
    registry.remove(plugin)


def test_a_log_tells_one_picture_from_another():
    """Doors and screens are optional parts of a world: a recorder finds those that are there."""
    plugin = registry.add(Plugin(), "acme-cinema")
    made = simulate("Acme/Cinema-v0", 2, sensors=["proprioception"])
    chains = []
    for changed in (None, np.zeros((16, 24, 3), np.uint8), None):
        made.reset([1, 2])
        recorder = Recorder(made, b"here")
        recorder.begin(range(2), [1, 2], [0, 1])
        if changed is not None:
            made.state.display("tv", [True, False], changed)
        made.step(np.ones((2, 1), int))
        recorder.step(np.ones((2, 1), int))
        chains.append([recorder.log(world).chain.tolist() for world in range(2)])
    plain, other, again = chains
    assert plain == again
    assert plain[0] != other[0]
    assert plain[1] == other[1]
    made.close()
    registry.remove(plugin)
