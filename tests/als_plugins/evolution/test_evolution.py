"""Evolution: what is asked and told, populations that are one call, trainings that come back."""

from __future__ import annotations

import numpy as np
import pytest
from gymnasium.spaces import Box, Dict, Discrete, MultiDiscrete
from learn_worlds import ID, learn

from als_engine.agents.saving import load_agent, make_agent, spaces
from als_engine.agents.training import resume_training, train_agent
from als_engine.envs.rows import Rows
from als_engine.errors import ArgumentError, SavedFileError
from als_engine.evaluation.protocol import evaluate
from als_engine.system.safe_files import read_tensors, write_tensors
from als_plugins.evolution.network import Networks
from als_plugins.evolution.parameters import EvolutionParameters
from als_plugins.evolution.search import make_search, ranked
from als_plugins.learners.flat_numbers import FlatNumbers, Table

__all__ = ["learn"]

pytestmark = pytest.mark.usefixtures("learn")

SENSED = {"sensors": ["proprioception"], "shaped": True}
SMALL = {"net_arch": [8]}
TABLE = Table(slice(2, 11), things=3, columns=3)


def trained(folder=None, steps=1_000, config=SMALL, **changes):
    job = {"worlds": 8, "arguments": SENSED, "config": config, "folder": folder, **changes}
    return train_agent(ID, "es", steps=steps, **job)


def mean(agent):
    return [part.copy() for layer in agent._weights for part in layer]


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(mean(one), mean(other), strict=True))


# The search


def test_ranks_are_even_and_ties_share_theirs():
    assert ranked(np.array([3.0, -1.0, 7.0])).tolist() == [0.0, -0.5, 0.5]
    assert ranked(np.array([1.0, 1.0, 1.0, 1.0])).tolist() == [0.0] * 4
    assert ranked(np.array([5.0, 5.0, 9.0])).tolist() == [-0.25, -0.25, 0.5]


@pytest.mark.parametrize("algorithm", ["openai", "cma"])
def test_a_search_comes_near_the_top_of_a_hill(algorithm):
    top = np.linspace(-1.0, 1.0, 12)
    given = EvolutionParameters(algorithm=algorithm)
    search = make_search(np.zeros(12), 16, 3, given)
    for _ in range(120):
        search.tell(-np.square(search.ask() - top).sum(axis=1))
    assert np.abs(search.mean - top).max() < 0.25


def test_many_weights_are_searched_without_a_full_covariance():
    search = make_search(np.zeros(2_000), 8, 0, EvolutionParameters(algorithm="cma"))
    search.tell(-np.square(search.ask() - 1.0).sum(axis=1))
    assert search.mean.mean() > 0.0


def test_the_second_half_mirrors_the_first_at_the_mean():
    begin = np.arange(5.0)
    population = make_search(begin, 6, 0, EvolutionParameters()).ask()
    assert np.allclose(population[:3] + population[3:], 2.0 * begin)


def test_numpys_global_generator_is_left_alone():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    search = make_search(np.zeros(3), 4, 0, EvolutionParameters(algorithm="cma"))
    search.tell(search.ask().sum(axis=1))
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002


# The networks


@pytest.mark.parametrize(
    "actions", [Discrete(5), MultiDiscrete([3, 4]), Box(-2.0, 1.0, (2,), np.float32)]
)
def test_a_population_acts_as_each_member_does_alone(actions):
    networks = Networks(14, [TABLE], [8], 5, actions)
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((5, networks.size))
    seen = rng.standard_normal((10, 14)).astype(np.float32)  # Two rows for each member.
    together = networks.act(networks.weights(vectors), seen)
    for member in range(5):
        rows = slice(2 * member, 2 * member + 2)
        alone = networks.act(networks.weights(vectors[[member]]), seen[rows])
        assert np.allclose(together[rows], alone, atol=1e-6)
    assert all(action in actions for action in together)


def test_the_order_of_things_and_what_stands_in_empty_places_make_no_difference():
    networks = Networks(14, [TABLE], [8], 5, Box(-1.0, 1.0, (3,), np.float32))
    rng = np.random.default_rng(0)
    weights = networks.weights(rng.standard_normal((1, networks.size)))
    seen = rng.standard_normal((1, 14)).astype(np.float32)
    things = seen[0, TABLE.where].reshape(3, 3)
    things[:, 0] = 1, 0, 1
    first = networks.act(weights, seen)
    things[[0, 2]] = things[[2, 0]]
    things[1, 1:] = 7.0
    assert np.array_equal(networks.act(weights, seen), first)
    things[0, 1:] = 7.0
    assert not np.array_equal(networks.act(weights, seen), first)


def test_a_vector_comes_back_from_its_layers():
    networks = Networks(14, [TABLE], [8, 3], 5, Discrete(2))
    vector = np.random.default_rng(0).standard_normal(networks.size)
    assert np.allclose(networks.vector(networks.weights(vector[None])), vector, atol=1e-6)


def test_numbers_are_scaled_by_their_bounds_and_pressed_where_there_are_none():
    inf = np.inf
    space = Dict({
        "b": Box(np.float32([-4.0, -inf]), np.float32([2.0, inf])), "a": Discrete(11),
    })  # fmt: skip
    read = FlatNumbers("it", space)
    found = read({"a": np.array([5]), "b": np.array([[2.0, -np.expm1(3.0)]], np.float32)})
    assert np.allclose(found, [[0.5, 0.5, -3.0]])


def test_pictures_are_refused_with_what_to_do():
    with pytest.raises(ArgumentError, match=r'es reads numbers, and "rgb" is a picture.*--sensors'):
        make_agent("es", ID, {"sensors": ["rgb"]})


def test_a_row_is_the_same_whatever_the_others_are():
    agent = make_agent("es", ID, {**SENSED, "action_mode": "continuous"})
    agent._weights = agent._networks.weights(np.random.default_rng(0).standard_normal(
        (1, agent._networks.size)))  # fmt: skip
    space = spaces(ID, SENSED)[0]["proprioception"]
    seen = np.random.default_rng(1).uniform(space.low, space.high, (40, *space.shape))
    every = agent.act({"proprioception": seen.astype(np.float32)})[0]
    some = agent.act({"proprioception": seen[3:10].astype(np.float32)})[0]
    assert np.array_equal(some, every[3:10])


# The worlds


def test_both_halves_of_the_worlds_meet_the_same_levels():
    rows = Rows(ID, 6, **SENSED)
    rows.spread_for("evolution", 4, parts=2)
    seeds = rows.seed(1)
    rows.reset()
    levels = rows.worlds.simulation.state.level.tolist()
    assert seeds[:3] == seeds[3:]
    assert levels[:3] == levels[3:]
    assert len(set(levels)) == 3
    with pytest.raises(ArgumentError, match="6 worlds cannot be divided into 4 parts"):
        rows.spread_for("evolution", parts=4)
    rows.close()


# Trainings


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A training in two parts, and the same in one."""
    folder = tmp_path_factory.mktemp("es") / "run"
    trained(folder, steps=600, checkpoint_every=1)
    return folder, resume_training(folder, steps=1_500), trained(steps=1_500)


def test_what_was_interrupted_ends_as_if_it_had_not_been(run):
    _, resumed, whole = run
    assert resumed.progress.steps == whole.progress.steps
    assert same(resumed.agent, whole.agent)
    assert not same(whole.agent, trained(steps=1_500, seed=1).agent)


def test_an_agent_comes_back_from_its_folder_and_is_where_another_training_begins(run):
    folder, resumed, _ = run
    loaded, record = load_agent(folder)
    assert same(loaded, resumed.agent)
    assert record.training.steps == resumed.progress.steps
    more = train_agent(ID, steps=1, worlds=8, begin=folder)
    assert np.allclose(more.agent._begin, loaded._networks.vector(loaded._weights))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"fitness": np.zeros((1, 6))}, "of 6 members, and there are 8 worlds"),
        ({"fitness": np.zeros((3, 8))}, "does not lead to the weights beside it"),
        ({"fitness": np.zeros(8)}, "does not fit"),
        ({"begin": np.zeros(3)}, "does not fit"),
        ({"steps": np.array(-1)}, "does not fit"),
        ({"more": np.zeros(3)}, "does not fit"),
    ],
)
def test_a_checkpoint_that_no_training_leaves_behind_is_one_line(run, change, words):
    folder, resumed, _ = run
    path = folder / "checkpoints" / f"{resumed.progress.steps:012d}" / "training.safetensors"
    before = path.read_bytes()
    write_tensors(path, {**read_tensors(path), **change})
    try:
        with pytest.raises(SavedFileError, match=words) as caught:
            resume_training(folder, steps=5_000)
        assert "\n" not in str(caught.value)
    finally:
        path.write_bytes(before)


def test_cma_goes_on_exactly_as_well(tmp_path):
    config = {**SMALL, "algorithm": "cma"}
    trained(tmp_path / "run", 600, config)
    assert same(
        resume_training(tmp_path / "run", steps=1_200).agent, trained(None, 1_200, config).agent
    )


def test_a_population_needs_an_even_number_of_worlds():
    with pytest.raises(ArgumentError, match=r"even number of worlds, at least 4.*got 5"):
        trained(worlds=5)


def test_an_unknown_hyperparameter_is_named_with_the_nearest_one():
    with pytest.raises(ArgumentError, match='of es "sigmo"; did you mean "sigma"'):
        trained(config={"sigmo": 1.0})


def test_it_learns_to_reach_the_flag():
    done = trained(steps=16_000, worlds=16)
    found = evaluate(done.agent, ID, 40, arguments=SENSED)
    random = evaluate(make_agent("random", ID, SENSED), ID, 40, arguments=SENSED)
    assert found.mean_return.low > random.mean_return.high
