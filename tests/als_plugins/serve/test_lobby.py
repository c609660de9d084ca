"""Who is who: one avatar a person, one person an avatar, and no more than the role can do."""

from __future__ import annotations

from typing import Any

import pytest

from als_engine.simulation import simulate
from als_engine.world.arrays import NOTHING
from als_plugins.serve.lobby import Lobby
from als_plugins.serve.orders import Order
from als_plugins.serve.protocol import BadMessage, Drive, Hand, Say, Work


@pytest.fixture(scope="module")
def simulation() -> Any:
    made = simulate("ALS/Tutor-v0", 1, 1, sensors=["proprioception"])
    made.reset([1])
    yield made
    made.close()


def test_two_persons_cannot_have_one_avatar_and_a_person_has_one_at_most(simulation: Any) -> None:
    lobby = Lobby(simulation)
    lobby.join(1, 0, "Ann")
    with pytest.raises(BadMessage, match="Ann has this avatar"):
        lobby.join(2, 0, "Bob")
    lobby.join(1, 2, "Ann")
    lobby.join(2, 0, "Bob")
    assert (lobby.avatar_of(1), lobby.avatar_of(2), lobby.players) == (2, 0, 2)
    assert lobby.leave(1)
    assert not lobby.leave(1)
    with pytest.raises(BadMessage, match="there are"):
        lobby.join(1, 99, "")
    with pytest.raises(BadMessage, match="recording"):
        Lobby(simulation, open=False).join(1, 0, "")


def test_hands_and_voices_act_once_and_legs_go_on() -> None:
    simulation = simulate("ALS/Build-v0", 1, 1, sensors=["proprioception"])
    lobby = Lobby(simulation)
    lobby.join(1, 0, "")
    lobby.tell(1, Drive(n=1, type="drive", forward=1.0))
    lobby.tell(1, Hand(n=2, type="hand", does="pick up"))
    (first,) = lobby.take_orders().values()
    (second,) = lobby.take_orders().values()
    assert (first.forward, first.hand) == (1.0, 1)
    assert (second.forward, second.hand, second.say) == (1.0, 0, NOTHING)


def test_nobody_says_or_does_what_the_role_cannot(simulation: Any) -> None:
    lobby = Lobby(simulation)
    with pytest.raises(BadMessage, match="join"):
        lobby.tell(1, Say(n=1, type="say", sentence="yes"))
    lobby.join(1, 0, "")
    offered = lobby.values(["x"] * 9)["can.teacher"]
    verb = next(each for each in offered["verbs"] if each["slots"])
    lobby.tell(1, Say(n=1, type="say", sentence=f"{verb['say']} {verb['slots'][0]}"))
    assert lobby.take_orders()[0].say >= 0
    with pytest.raises(BadMessage, match="cannot say"):
        lobby.tell(1, Say(n=2, type="say", sentence="<script>alert(1)</script>"))
    with pytest.raises(BadMessage, match="no such effector"):
        lobby.tell(1, Work(n=3, type="work", effector="wing", does="flap"))


def test_who_leaves_is_replaced_by_who_drove_before(simulation: Any) -> None:
    """A guest's orders move the avatar; without the guest the step is what it always was."""
    twin = simulation.fork(1)
    moved = simulation.fork(1)
    order = Order(forward=-1.0)
    who = twin.state.behaviour != twin.state.behaviour
    who[0, 0] = True

    def guest(state: Any, which: Any, commands: Any) -> None:
        assert which[0].tolist() == who[0].tolist()
        order.write(state, 0, commands)

    moved.seat(guest, who)
    for each in (simulation, twin, moved):
        each.advance(each.expert_actions())
    assert twin.state.digest(0) == simulation.state.digest(0) != moved.state.digest(0)
    assert moved.acting.commands.move[0, 0].tolist() == [-1.0, 0.0]
    moved.seat(None, ~who)
    moved.advance(moved.expert_actions())
    assert moved.acting.commands.move[0, 0].tolist() != [-1.0, 0.0]
    twin.close()
    moved.close()
