"""A plugin's gripper, shape and roles with action spaces of their own: engines, views, errors."""

from __future__ import annotations

import warnings

import acme_shapes
import gymnasium
import numpy as np
import pytest
from acme_gripper import CLOSE, OPEN, Gripper
from acme_porters import PORTERS, Plugin, Porters

from als_engine import Body, Effector, Part, Quantity, Role, Snapshot, Verb
from als_engine.bodies.codec import ACTION_MODES, DISCRETE_ACTIONS
from als_engine.conformance.kit import check_scenario
from als_engine.envs.parallel import parallel_env
from als_engine.envs.sb3 import sb3_vec_env
from als_engine.envs.vector import VectorEnv
from als_engine.errors import ActionError, ArgumentError, LayoutError, TaskError
from als_engine.physics.engines import ENGINES
from als_engine.plugins.registration import register_scenarios
from als_engine.plugins.registry import registry
from als_engine.simulation import Simulation, simulate
from als_engine.world.arrays import NOTHING

STAY = 0


@pytest.fixture(scope="module", autouse=True)
def _plugins():
    added = [registry.add(acme_shapes.Plugin(), "acme-shapes"), registry.add(Plugin(), "acme")]
    register_scenarios()
    yield
    for plugin in added:
        registry.remove(plugin)
    for name in ("Acme/Porters-v0", "Acme/Gallery-v0"):
        gymnasium.registry.pop(name, None)


@pytest.fixture(params=list(ENGINES))
def engine(request) -> str:
    return request.param


def porters(engine, worlds=1, **more) -> Simulation:
    made = simulate(PORTERS, num_worlds=worlds, observers=None, physics=engine, **more)
    made.reset(list(range(worlds)))
    return made


def action(made: Simulation, name: str) -> int:
    return made.action_names.index(name)


def test_a_gripper_takes_a_prop_carries_it_and_lets_it_go(engine):
    made = porters(engine)
    state, ball = made.state, made.state.prop("ball")
    close, open_ = action(made, "gripper: close"), action(made, "gripper: open")
    made.step([[close, STAY]])
    assert state["gripper.load"][0].tolist() == [ball, NOTHING]
    for _ in range(4):
        made.step([[action(made, "left"), STAY]])
    away = state.props.position[0, ball, :2] - state.avatars.position[0, 0, :2]
    np.testing.assert_allclose(np.hypot(*away), 0.6, atol=1e-6)
    assert made.observations["gripper"][0, 0].tolist() == pytest.approx([1.0, 0.5 / 10.5])
    assert not made.observations["gripper"][0, 1].any()
    made.step([[open_, STAY]])
    place = state.props.position[0, ball].copy()
    for _ in range(5):
        made.step([[STAY, STAY]])
    np.testing.assert_allclose(state.props.position[0, ball], place, atol=0.02)
    assert state["gripper.load"][0, 0] == NOTHING
    assert state.props.holder[0, ball] == NOTHING


def test_hand_and_gripper_carry_at_once_and_do_not_take_from_each_other(engine):
    made = porters(engine)
    state = made.state
    made.step([[action(made, "gripper: close"), STAY]])
    made.step([[action(made, "pick up"), STAY]])
    assert state["gripper.load"][0, 0] == state.prop("ball")
    assert state.avatars.held[0, 0] == state.prop("box")
    state.move("ball", [0], (3.0, 3.0, 0.15))
    made.step([[STAY, STAY]])
    assert state["gripper.load"][0, 0] == NOTHING
    assert state.avatars.held[0, 0] == state.prop("box")
    state.show(0, [0], False)
    assert (state.props.holder == NOTHING).all()


def test_a_reset_and_a_digest_cover_an_effector_s_arrays(engine):
    made = porters(engine)
    empty = made.state.digest(0)
    made.state["gripper.load"][0, 0] = 0
    assert made.state.digest(0) != empty
    made.reset([0])
    assert made.state["gripper.load"].tolist() == [[NOTHING, NOTHING]]
    assert made.state.digest(0) == empty


@pytest.mark.parametrize("mode", ACTION_MODES)
def test_each_of_pettingzoo_s_agents_has_its_role_s_action_space(mode):
    env = parallel_env(PORTERS, action_mode=mode)
    porter, caller = (env.action_space(agent) for agent in env.possible_agents)
    own = env.simulation.acting.own
    if mode == "discrete":
        assert own[0].names == (
            *DISCRETE_ACTIONS, "say 'yes'", "say 'no'", "gripper: close", "gripper: open"
        )  # fmt: skip
        assert own[1].names == (
            "stay", "turn left", "turn right",
            "say 'stop'", "say 'bring ball'", "say 'bring box'",
        )  # fmt: skip
        assert (porter.n, caller.n) == (14, 6)
    elif mode == "factored":
        assert own[0].names == ("locomotion", "hand", "say", "gripper")
        assert own[1].names == ("locomotion", "hand", "say", "slot")
        assert own[1].choices["locomotion"] == ("stay", "turn left", "turn right")
        assert (porter.nvec.tolist(), caller.nvec.tolist()) == ([7, 4, 3, 3], [3, 1, 3, 2])
    elif mode == "guided":
        things = (*env.simulation.state.props.names, *env.possible_agents)
        assert own[0].choices["locomotion"][7:] == tuple(f"go to {name}" for name in things)
        assert own[1].choices["locomotion"] == ("stay", "turn left", "turn right")  # It stands.
    else:
        assert (own[0].names[-1], own[1].names[-1]) == ("gripper", "say")
        assert (porter.shape, caller.shape) == ((7,), (6,))
    env.close()


@pytest.mark.parametrize("mode", ACTION_MODES)
def test_an_own_action_does_what_its_own_space_says(mode):
    """Decoded by the role's codec, and by way of the space of all roles: the same commands."""
    made = simulate(PORTERS, observers=None, action_mode=mode)
    acting = made.acting
    for avatar, own in enumerate(acting.own):
        own.space.seed(1)
        for _ in range(60):
            chosen = np.asarray(own.space.sample())
            direct, through = acting.new_commands(), acting.new_commands()
            own.decode(chosen[None, None], direct, 1)
            made.codec.decode(acting.together(avatar, chosen)[None, None], through, 1)
            for name in ("move", "turn", "hand", "say", "work"):
                np.testing.assert_array_equal(
                    getattr(direct, name)[:, 0], getattr(through, name)[:, 0], name
                )


def test_what_the_caller_says_is_what_its_own_space_says(engine):
    env = parallel_env(PORTERS, physics=engine)
    env.reset(seed=0)
    own = env.simulation.acting.own[1]
    env.step({"porter_0": STAY, "caller_0": own.names.index("say 'bring box'")})
    state = env.simulation.state
    assert state.utterances[state.avatars.utterance[0, 1]] == "bring box"
    assert state.speech.verbs[state.said_verb[0, 1]] == "bring"
    env.close()


def test_an_action_outside_an_agent_s_own_space_is_named():
    env = parallel_env(PORTERS)
    env.reset(seed=0)
    with pytest.raises(ActionError, match=r"world 0, avatar 1 is not in Discrete\(6\): 9"):
        env.step({"porter_0": 0, "caller_0": 9})
    with pytest.raises(ActionError, match=r"caller_0 has shape \(2,\), expected \(\)"):
        env.step({"porter_0": 0, "caller_0": [0, 1]})
    env.step({"porter_0": 13, "caller_0": 5})
    env.close()


def test_own_masks_fit_own_spaces():
    for mode in ("discrete", "factored"):
        env = parallel_env(PORTERS, action_mode=mode)
        _, infos = env.reset(seed=0)
        for agent in env.agents:
            env.action_space(agent).sample(mask=infos[agent]["action_mask"])
        env.close()


def test_pettingzoo_s_own_test_passes_with_roles_that_differ():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pettingzoo.test import parallel_api_test

        env = parallel_env(PORTERS, action_mode="factored")
        parallel_api_test(env, num_cycles=50)
    env.close()


def test_one_space_for_all_has_masks_and_what_a_role_lacks_is_not_done(engine):
    made = porters(engine, worlds=2)
    masks = made.action_masks()
    assert masks.shape == (2, 2, 17)
    names = np.array(made.action_names)
    assert set(names[~masks[0, 1]]) == {
        *DISCRETE_ACTIONS[1:5], *DISCRETE_ACTIONS[7:], "say 'yes'", "say 'no'",
        "gripper: close", "gripper: open",
    }  # fmt: skip
    assert set(names[~masks[0, 0]]) == {
        "put down", "say 'stop'", "say 'bring ball'", "say 'bring box'"
    }  # fmt: skip
    before = made.state.avatars.position[:, 1].copy()
    for name in names[~masks[0, 1]]:
        made.step([[STAY, action(made, name)]] * 2)
        assert (made.state.avatars.utterance == NOTHING).all()
        assert (made.state["gripper.load"] == NOTHING).all()
    np.testing.assert_allclose(made.state.avatars.position[:, 1], before, atol=1e-4)
    env = sb3_vec_env(PORTERS, num_worlds=2, physics=engine)
    env.reset()
    assert env.env_method("action_masks")[1].tolist() == masks[0, 1].tolist()
    env.close()


def test_gymnasium_has_the_space_of_the_avatar_that_it_drives(engine):
    env = gymnasium.make("Acme/Porters-v0", physics=engine)
    assert env.action_space.n == 14
    seen, _ = env.reset(seed=0)
    assert seen["gripper"].tolist() == [0.0, 0.0]
    seen, *_ = env.step(12)
    assert seen["gripper"][0] == 1.0
    envs = gymnasium.make_vec("Acme/Porters-v0", num_envs=2, physics=engine)
    envs.reset(seed=0)
    both, *_ = envs.step(np.array([12, 0]))
    assert both["gripper"][:, 0].tolist() == [1.0, 0.0]
    np.testing.assert_array_equal(both["entities"][0], seen["entities"])
    env.close()
    envs.close()


def test_worker_processes_have_the_gripper_too():
    seen = []
    for workers in (1, 2):
        envs = VectorEnv(PORTERS, num_envs=2, workers=workers, arch=False)
        envs.reset(seed=3)
        seen.append([envs.step(np.array(each))[0] for each in ([12, 1], [3, 12], [13, 1])])
        envs.close()
    for one, other in zip(*seen, strict=True):
        for key in one:
            np.testing.assert_array_equal(one[key], other[key], key)


def test_a_snapshot_holds_what_a_gripper_holds(engine, tmp_path):
    made = porters(engine)
    rng = np.random.default_rng(1)
    made.step([[action(made, "gripper: close"), STAY]])
    made.snapshot().save(tmp_path / "moment.safetensors")
    actions = rng.integers(0, 17, (30, 1, 2))
    twin = porters(engine)
    twin.restore(Snapshot.load(tmp_path / "moment.safetensors"))
    assert twin.state["gripper.load"][0, 0] == twin.state.prop("ball")
    for each in actions:
        for simulation in (made, twin):
            simulation.step(each)
        assert made.state.digest(0) == twin.state.digest(0)
        for key, array in made.observations.items():
            np.testing.assert_array_equal(array, twin.observations[key], key)


def test_a_gripper_is_seen_from_outside_and_observed_by_who_has_one():
    roles = [Role(), Role(body=Body(color="red"))]
    bare = type("Bare", (Porters,), {"roles": lambda self: roles})
    pictures = []
    for task in (Porters(), bare()):
        made = Simulation(task, scenario="Acme/Look-v0", sensors=["rgb"])
        made.reset([0])
        made.observe()
        pictures.append(made.observations["rgb"][0].copy())
    own, others = (pictures[0].astype(int) - pictures[1]).any(-1)
    assert others.any()
    assert not own.any()
    env = parallel_env(PORTERS)
    assert list(env.observation_space("porter_0")) == [
        "entities", "gripper", "proprioception", "text"
    ]  # fmt: skip
    assert list(env.observation_space("caller_0")) == ["rgb"]
    env.close()


def test_the_scenario_keeps_every_promise():
    # All but its docstring and its levels, which are all the same, and its expert.
    only = ("gymnasium", "pettingzoo", "sb3", "replay", "autoreset", "snapshot", "time-limit")
    only += ("answers", "pure", "terms", "sensors")
    assert check_scenario("Acme/Porters-v0", levels=2, episodes=1, steps=15, only=only).ok


def test_two_grippers_on_a_body_are_two_effectors():
    body = Body(effectors=[Gripper(name="left"), Gripper(0.4, name="right")])
    task = type("Two", (Porters,), {"roles": lambda self: [Role("porter", body), Role()]})()
    made = Simulation(task, scenario="Acme/Two-v0", action_mode="factored")
    assert made.action_choices["left"] == made.action_choices["right"] == ("rest", "close", "open")
    made.reset([0])
    rest = [0] * len(made.action_names)
    close = [*rest]
    close[made.action_names.index("right")] = CLOSE
    made.step([[close, rest]])
    assert made.state["right.load"][0, 0] != NOTHING == made.state["left.load"][0, 0]
    close[made.action_names.index("right")] = OPEN
    made.step([[close, rest]])
    assert made.state["right.load"][0, 0] == NOTHING


class Odd(Effector):
    """An effector that is made as a test wants it."""

    def __init__(self, name="odd", commands=("go",), **more):
        self.name, self.commands = name, commands
        for key, value in more.items():
            setattr(self, key, value)

    def act(self, state, command, who):
        pass


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Body(effectors=[Gripper]), "an effector must be an instance of Effector"),
        (lambda: Body(effectors=Gripper()), "the effectors of a body must be a list"),
        (lambda: Body(effectors=[Gripper(), Gripper()]), 'two effectors of the name "gripper"'),
        (lambda: Body(effectors=[Odd("say")]), 'the effector "say" clashes'),
        (lambda: Body(effectors=[Odd("a b")]), "letters, digits and underscores, got 'a b'"),
        (lambda: Body(effectors=[Odd(commands=())]), 'effector "odd" must have a list of commands'),
        (lambda: Body(effectors=[Odd(commands="go")]), "must have a list of commands, got 'go'"),
        (lambda: Body(effectors=[Odd(commands=["rest"])]), 'a command twice, or "rest"'),
        (lambda: Body(commands=("fly",)), "fly"),
        (lambda: Body(commands="use"), "the commands of a body must be a list"),
        (lambda: Body(radius=0.0), "the radius of a body must be above 0"),
        (lambda: Body(mass=np.nan), "the mass of a body must be above 0"),
        (lambda: Body(radius=1.0, height=1.0), "must be at least 2.0 high, got 1.0"),
        (lambda: Role("porter", Gripper()), 'the body of role "porter" must be a Body'),
    ],
)
def test_a_body_that_does_not_fit_is_one_clear_line(make, said):
    with pytest.raises(ArgumentError) as error:
        make()
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def with_roles(*roles, **more):
    return type("Fits", (Porters,), {"roles": lambda self: list(roles), **more})()


@pytest.mark.parametrize(
    ("task", "error", "said"),
    [
        (
            lambda: with_roles(
                Role("a", Body(effectors=[Gripper(0.6)])), Role("b", Body(effectors=[Gripper(0.4)]))
            ),
            ArgumentError, 'two effectors clash: "gripper" is Gripper for one body',
        ),
        (
            lambda: with_roles(Role("a", Body(effectors=[Odd("rgb", columns=["x"])])), Role()),
            ArgumentError, 'the effector "rgb" clashes: there is a sensor of that name',
        ),
        (
            lambda: with_roles(
                Role("a", Body(effectors=[Gripper()])), Role(),
                quantities=lambda self: {"gripper.load": Quantity()},
            ),
            ArgumentError, 'the effector "gripper" clashes: the task has "gripper.load"',
        ),
        (
            lambda: with_roles(
                Role("a", Body(effectors=[Odd(parts=lambda: [Part(Gripper())])])), Role()
            ),
            LayoutError, 'part 0 of the effector "odd" must be a Part of a Box',
        ),
        (lambda: with_roles(Role()), ArgumentError, "has 1 roles for 2 avatars"),
        (lambda: with_roles(Role(), "caller"), ArgumentError, "a role must be a Role, got"),
        (
            lambda: with_roles(Role("a", utterances="yes"), Role()),
            TaskError, "utterances must be a list of texts",
        ),
        (
            lambda: with_roles(
                Role("a", utterances=["go"]), Role("b", utterances=[Verb("go", ["home"])])
            ),
            TaskError, "'go' is a phrase for one role, a verb for another",
        ),
    ],
)  # fmt: skip
def test_roles_that_do_not_fit_together_are_one_clear_line(task, error, said):
    with pytest.raises(error) as raised:
        Simulation(task(), scenario="Acme/Fits-v0")
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_verbs_of_several_roles_share_their_slots():
    task = with_roles(
        Role("a", utterances=[Verb("go", ["home", "out"]), "yes"]),
        Role("b", utterances=["no", Verb("go", ["out", "up"])]),
    )
    made = Simulation(task, scenario="Acme/Verbs-v0", action_mode="factored")
    assert made.state.utterances == ("go home", "go out", "go up", "yes", "no")
    own = made.acting.own
    assert [each.choices["slot"] for each in own] == [("home", "out"), ("out", "up")]
    commands = made.acting.new_commands()
    own[1].decode(np.array([[[0, 0, 2, 1]]]), commands, 1)
    assert made.state.utterances[commands.say[0, 0]] == "go up"


def test_scripted_company_cannot_do_more_than_its_body():
    made = simulate(PORTERS, observers=1)
    made.reset([0])
    commands = made.acting.new_commands()
    commands.move[:], commands.turn[:], commands.hand[:] = -1.0, 1.0, 3
    commands.say[:] = made.state.speech.index("bring ball")
    commands.effectors["gripper"][:] = CLOSE
    made.acting._limits.undo(commands)
    assert commands.move[0].tolist() == [[-1.0, -1.0], [0.0, 0.0]]
    assert commands.turn[0].tolist() == [1.0, 1.0]
    assert commands.hand[0].tolist() == [3, 0]
    assert commands.say[0].tolist() == [NOTHING, made.state.speech.index("bring ball")]
    assert commands.effectors["gripper"][0].tolist() == [CLOSE, 0]
