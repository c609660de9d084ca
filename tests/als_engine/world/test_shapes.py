"""Shapes that a plugin of one file brings: engines, sensors, navigation, snapshots."""

from __future__ import annotations

from dataclasses import dataclass

import acme_shapes
import numpy as np
import pytest
from acme_shapes import Arch, Corner, Disc, Pill, Stranger
from rooms import World

from als_engine import (
    Box,
    Cylinder,
    Layout,
    Part,
    Prop,
    Shape,
    ShapeSpec,
    Snapshot,
    Sphere,
    hookimpl,
)
from als_engine.errors import LayoutError, SnapshotError
from als_engine.geometry.sight import visible
from als_engine.navigation.navigator import Navigator
from als_engine.physics.engines import ENGINES
from als_engine.plugins.registry import registry
from als_engine.simulation import simulate
from als_engine.world.shapes import SHAPE_COMPOUND, SHAPE_CYLINDER, form_of

WALL, FIXED = 2, 3


@pytest.fixture(scope="module", autouse=True)
def _plugin():
    plugin = registry.add(acme_shapes.Plugin(), "acme-shapes")
    yield
    registry.remove(plugin)


@pytest.fixture(params=list(ENGINES))
def engine(request) -> str:
    return request.param


def test_a_shape_stands_in_the_middle_of_the_box_around_its_parts():
    form = form_of(Corner(length=1.0, thickness=0.2, height=0.5))
    assert form.code == SHAPE_COMPOUND
    np.testing.assert_allclose(form.half, (0.5, 0.5, 0.25))
    np.testing.assert_allclose(form.half, Corner(1.0, 0.2, 0.5).half)
    centers = [offset for _, _, offset, _ in form.parts]
    np.testing.assert_allclose(centers, [(0.0, -0.4, 0.0), (-0.4, 0.0, 0.0)], atol=1e-12)
    np.testing.assert_allclose(form_of(Pill(0.15, 0.6)).half, (0.15, 0.15, 0.3))


def test_one_part_is_the_primitive_itself():
    assert form_of(Disc()) == form_of(Cylinder(0.4, 0.1))
    assert form_of(Disc()).code == SHAPE_CYLINDER


def test_an_unknown_shape_is_refused_with_what_is_known():
    layout = Layout([(0, 0)], props={"thing": Prop(Stranger(), (1, 1))})
    with pytest.raises(LayoutError) as error:
        layout.check(1)
    said = str(error.value)
    assert said.startswith("prop 'thing': unknown shape Stranger; known: Box, Sphere, Cylinder")
    assert "acme/arch" in said


@dataclass(frozen=True)
class Odd(Shape):
    """What `made` says."""

    made: tuple = ()

    def parts(self):
        return self.made


@pytest.mark.parametrize(
    ("parts", "wrong"),
    [
        ((), "has 0 parts, allowed: 1 to 16"),
        ((Part(Box(1, 1, 1), (0, 0, 0.1)),) * 17, "has 17 parts"),
        (("box",), "must be a Part of a Box, Sphere or Cylinder"),
        ((Part(Arch()),), "must be a Part of a Box, Sphere or Cylinder"),
        ((Part(Box(1, 1, 1), (0, 0)),), "needs a position (x, y, z)"),
        ((Part(Box(1, 0, 1)), Part(Sphere(1))), "a size that is not positive"),
        ((Part(Sphere(np.nan)), Part(Sphere(1))), "not finite"),
        ((Part(Sphere(1), (0, 0, np.inf)), Part(Sphere(1))), "not finite"),
    ],
)
def test_parts_that_no_engine_can_build_are_named(parts, wrong):
    class Offering:
        @hookimpl
        def als_shapes(self):
            return [ShapeSpec("acme/odd", f"{__name__}:Odd")]

    plugin = registry.add(Offering(), "acme-odd")
    try:
        with pytest.raises(LayoutError, match="acme/odd") as error:
            Layout([(0, 0)], props={"thing": Prop(Odd(parts), (1, 1))}).check(1)
        assert wrong in str(error.value)
    finally:
        registry.remove(plugin)


def arch(y: float = 0.0, **more) -> Layout:
    """An avatar before an arch that stands across its way."""
    return Layout(
        [(-1.0, y)],
        [Prop(Box(0.2, 6.0, 2.0), (4.0, 0.0))],
        {"arch": Prop(Arch(), (0.5, 0.0), np.pi / 2), **more},
    )


def test_one_walks_through_an_arch_and_against_its_post(engine):
    through = World(arch(), physics=engine).step(30, move=(1.0, 0.0))
    assert through.avatars.position[0, 0, 0] > 1.5
    against = World(arch(0.6), physics=engine)
    against.step(30, move=(1.0, 0.0))
    assert against.state.avatars.position[0, 0, 0] < 0.2
    assert against.state.avatars.touches_prop[0, 0, against.state.prop("arch")]


def test_what_falls_lies_on_the_beam_or_falls_through_the_opening(engine):
    balls = {
        "above": Prop(Box(0.15, 0.15, 0.15), (0.5, 0.3, 2.4), mass=1.0),
        "below": Prop(Sphere(0.075), (0.5, -0.2, 1.7), mass=1.0),
    }
    world = World(arch(**balls), physics=engine)
    world.step(30)
    assert world.prop("above")[2] == pytest.approx(2.275, abs=0.01)
    assert world.prop("below")[2] == pytest.approx(0.075, abs=0.01)


def test_a_crate_fits_into_the_hollow_of_a_corner(engine):
    """A box of the same bounds would push it out."""
    layout = Layout(
        [(-3.0, -3.0)],
        props={
            "corner": Prop(Corner(), (0.0, 0.0), mass=5.0),
            "crate": Prop(Box(0.3, 0.3, 0.3), (0.2, 0.2), mass=2.0),
        },
    )
    world = World(layout, physics=engine)
    world.step(20)
    np.testing.assert_allclose(world.prop("crate"), (0.2, 0.2, 0.15), atol=0.01)
    np.testing.assert_allclose(world.prop("corner"), (0.0, 0.0, 0.25), atol=0.01)


def test_a_shape_is_pushed_carried_and_put_down(engine):
    layout = Layout([(0, 0)], props={"pill": Prop(Pill(), (0.6, 0.0), mass=1.0, portable=True)})
    world = World(layout, physics=engine)
    world.step(1, hand=1)
    assert world.held() == "pill"
    world.step(1, hand=2)
    world.step(10)
    assert world.held() is None
    assert world.prop("pill")[2] == pytest.approx(0.3, abs=0.02)
    corner = Layout([(0, 0)], props={"corner": Prop(Corner(), (0.9, 0.0), mass=5.0)})
    pushed = World(corner, physics=engine)
    pushed.step(20, move=(1.0, 0.0))
    assert pushed.prop("corner")[0] > 1.1


def test_sight_and_ways_lead_through_the_opening():
    world = World(arch())
    state = world.state
    ends = np.array([[[2.0, 0.0, 1.5], [2.0, 0.6, 1.5], [2.0, 0.0, 2.1]]])
    starts = ends - (3.0, 0.0, 0.0)
    seen = [visible(state, starts[:, i], ends[:, i], props=True)[0] for i in range(3)]
    assert seen == [True, False, False]
    # The arch itself is not hidden by its own posts.
    assert visible(state, "avatars", "arch", props=True).all()
    ways = Navigator(state)
    ways.refresh()
    assert ways.blocked(np.array([[[0.5, 0.0], [0.5, 0.6], [0.5, 1.2]]])).tolist() == [
        [False, True, False]
    ]
    low = World(Layout([(-1, 0)], props={"arch": Prop(Arch(clear=1.2), (0.5, 0.0))})).state
    ways = Navigator(low)
    ways.refresh()
    assert ways.blocked(np.array([[[0.5, 0.0]]])).all()


def test_a_spawn_may_be_beneath_an_arch_and_not_in_its_post():
    beneath = Layout([(0.5, 0.0)], props={"arch": Prop(Arch(), (0.5, 0.0))})
    assert World(beneath).state.parts.count[0] == 3
    inside = Layout([(1.1, 0.0)], props={"arch": Prop(Arch(), (0.5, 0.0))})
    with pytest.raises(LayoutError, match="spawn 0 is inside prop 'arch'"):
        World(inside)


def test_the_camera_sees_through_the_opening(engine):
    sensors = ("rgb", "depth", "semantic", "entities")
    simulation = simulate("Acme/Gallery-v0", 1, sensors=sensors, physics=engine)
    simulation.reset([3])
    simulation.observe()
    seen = simulation.observations
    kind, depth = seen["semantic"][0, 0, :, :, 0], seen["depth"][0, 0, :, :, 0]
    far = simulation.state.position("arch")[0, 0] + 0.5
    middle = kind.shape[1] // 2
    # Straight ahead is the wall; left and right of it the posts, and the beam above all of them.
    assert kind[26, middle] == WALL
    posts = np.flatnonzero(kind[26] == FIXED)
    assert posts.min() < middle - 2
    assert posts.max() > middle + 2
    np.testing.assert_allclose(depth[26, posts], far - 0.1, atol=0.08)
    assert (kind[:, middle] == FIXED).any()
    red = seen["rgb"][0, 0, 26, posts]
    assert (red[:, 0] > 1.5 * red[:, 1]).all()
    rows = seen["entities"][0, 0]
    assert not rows[rows[:, 1] == 1][0, 19]  # Not round.
    assert simulation.render().shape == (480, 640, 3)
    simulation.close()


def test_snapshots_hold_what_shapes_consist_of(engine, tmp_path):
    one = simulate("Acme/Gallery-v0", 2, sensors=("depth",), physics=engine)
    one.reset([1, 2])
    rng = np.random.default_rng(0)
    actions = rng.integers(one.action_space.n, size=(30, 2, 1))
    for each in actions[:15]:
        one.step(each)
    one.snapshot().save(tmp_path / "moment")
    twin = simulate("Acme/Gallery-v0", 2, sensors=("depth",), physics=engine)
    twin.restore(Snapshot.load(tmp_path / "moment"))
    for each in actions[15:]:
        one.step(each), twin.step(each)
        assert [one.state.digest(w) for w in (0, 1)] == [twin.state.digest(w) for w in (0, 1)]
        np.testing.assert_array_equal(one.observations["depth"], twin.observations["depth"])
    wrong = one.snapshot()
    wrong.arrays["parts.owner"][:] = 0
    with pytest.raises(SnapshotError, match="parts"):
        twin.restore(wrong)
    one.close(), twin.close()


def test_a_world_among_others_is_the_world_alone(engine):
    many = simulate("Acme/Gallery-v0", 3, sensors=("touch",), physics=engine)
    alone = simulate("Acme/Gallery-v0", 1, sensors=("touch",), physics=engine)
    many.reset([5, 6, 7]), alone.reset([6])
    for action in (1, 1, 5, 1, 6, 1):
        many.step(np.full((3, 1), action)), alone.step([[action]])
    assert many.state.digest(1) == alone.state.digest(0)
    many.close(), alone.close()
