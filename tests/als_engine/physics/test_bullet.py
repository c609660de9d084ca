"""What Bullet's clients do: they are given back, serve again, and say what is wrong."""

from __future__ import annotations

import pytest
from rooms import World

from als_engine.errors import ALSError, PhysicsError
from als_engine.physics.bullet import api as bullet_api
from als_engine.physics.bullet import backend as bullet
from als_engine.physics.bullet import calls as bullet_calls
from als_engine.simulation import simulate
from als_engine.world.layout import Layout, Spawn


@pytest.fixture
def build():
    made = []

    def build(worlds):
        made.append(World(Layout([Spawn((0.0, 0.0))]), worlds, physics="bullet"))
        return made[-1]

    yield build
    for world in made:
        world.physics.close()


@pytest.fixture
def idle(monkeypatch):
    """The clients that wait for the next simulation."""
    handles = []
    monkeypatch.setattr(bullet, "_idle", handles)
    yield handles
    for handle in handles:
        bullet_calls.close_client(handle)


def test_closing_twice_gives_every_client_back_once(build, idle):
    world = build(2)
    clients = world.physics._worlds.clients.tolist()
    world.physics.close()
    world.physics.close()
    assert idle == clients


def test_a_client_that_was_given_back_serves_again_and_no_more_are_kept_than_need_be(
    build, idle, monkeypatch
):
    closed = []
    monkeypatch.setattr(bullet, "close_client", closed.append)
    monkeypatch.setattr(bullet, "_KEPT", 1)
    first = build(2)
    clients = first.physics._worlds.clients.tolist()
    first.physics.close()
    assert (idle, closed) == (clients[:1], clients[1:])
    bullet_calls.close_client(closed.pop())
    again = build(1)
    assert again.physics._worlds.clients.tolist() == clients[:1]
    again.physics.close()


def test_an_environment_that_nobody_closed_gives_its_clients_back(idle) -> None:
    """A client holds 10 MiB: forgetting `close` must not lose it for good."""
    import gc

    simulation = simulate("ALS/Tag-v0", 2, sensors=())
    simulation.reset([0, 1])
    clients = simulation.moving.physics._worlds.clients.tolist()
    assert idle == []
    del simulation
    gc.collect()
    assert idle == clients


def test_a_world_that_bullet_cannot_build_is_an_error(build, monkeypatch):
    world = build(2)
    monkeypatch.setattr(bullet, "build_world", lambda *_: False)
    world.state.level[1] = 7
    with pytest.raises(PhysicsError, match=r"^Bullet cannot build world 1 \(level 7\)") as error:
        world.physics.build(1, world.state)
    assert error.value.world == 1


def test_a_wheel_without_a_function_is_told_in_one_line():
    with pytest.raises(ALSError, match="does not export b3Nothing; install it from the wheel: pip"):
        bullet_api._declare(bullet_api._HANDLE, "b3Nothing")
