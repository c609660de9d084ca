"""A sequence of scenarios: what each method keeps, that it goes on exactly, and what it refuses."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from als_command import als

from als_engine.agents.saving import load_agent
from als_engine.errors import ArgumentError, SavedFileError
from als_plugins.continual.chart import write_matrices
from als_plugins.continual.keeping import make_keeping
from als_plugins.continual.records import METHODS, SequenceJob
from als_plugins.continual.sequence import learn_sequence
from als_plugins.continual.showing import show
from als_plugins.mappo.student import MappoStudent

NAMES = ["ALS/Tag-v0", "ALS/Vocabulary-v0"]
SMALL = {
    "scenarios": NAMES, "steps": 160, "updates": 4, "batch": 16, "encoder": "mlp",
    "sensors": ["entities", "proprioception"], "episodes": 1, "kept": 20,
}  # fmt: skip


def job(**changes) -> SequenceJob:
    return SequenceJob.model_validate({**SMALL, **changes})


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory):
    """Every method's result and folder."""
    found = {}
    for method in METHODS:
        folder = tmp_path_factory.mktemp(method)
        found[method] = learn_sequence(job(method=method), folder), folder
    return found


def encoder_of(folder: Path, after: int, number: int) -> dict[str, torch.Tensor]:
    agent, record = load_agent(folder / f"after-{after}" / "agents" / str(number))
    assert record.scenario == NAMES[number]
    assert record.training is not None
    assert record.training.demonstrated == SMALL["steps"]
    return agent.policy.encoder.state_dict()


def same(one, other) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


def test_the_matrix_has_a_score_for_each_scenario_so_far(learnt) -> None:
    for result, _ in learnt.values():
        assert [len(line) for line in result.matrix] == [1, 2]
        found = result.found[-1]
        expected = (found.returns[0] - found.random[0]) / (found.expert[0] - found.random[0])
        assert result.matrix[1][0] == pytest.approx(expected)
        change = result.matrix[1][0] - result.matrix[0][0]
        assert result.backward_transfer == pytest.approx(change)
        gain = result.matrix[1][1] - learnt["alone"][0].matrix[1][1]
        assert result.forward_transfer(learnt["alone"][0]) == pytest.approx(gain)


def test_before_the_second_scenario_all_methods_are_the_same(learnt) -> None:
    assert len({result.matrix[0][0] for result, _ in learnt.values()}) == 1


@pytest.mark.parametrize("method", ["nothing", "replay", "ewc"])
def test_what_is_shared_changes_and_is_one_encoder(learnt, method: str) -> None:
    folder = learnt[method][1]
    assert not same(encoder_of(folder, 0, 0), encoder_of(folder, 1, 0))
    assert same(encoder_of(folder, 1, 0), encoder_of(folder, 1, 1))


@pytest.mark.parametrize("method", ["lora", "alone"])
def test_what_is_not_shared_stays_and_so_does_the_score(learnt, method: str) -> None:
    result, folder = learnt[method]
    assert same(encoder_of(folder, 0, 0), encoder_of(folder, 1, 0))
    assert result.backward_transfer == 0.0


def test_additions_take_less_room_than_another_encoder(learnt) -> None:
    weights = {method: result.found[-1].weights for method, (result, _) in learnt.items()}
    assert weights["nothing"] == weights["replay"] == weights["ewc"]
    assert weights["nothing"] < weights["lora"] < weights["alone"]


def test_weights_are_held_back_by_how_much_they_matter(learnt) -> None:
    agent, _ = load_agent(learnt["ewc"][1] / "after-0" / "agents" / "0")
    encoder, student = agent.policy.encoder, MappoStudent(agent)
    keeping = make_keeping(job(method="ewc", strength=2.0), encoder)
    assert keeping.loss([student], np.random.default_rng(0)) is None
    arguments = {"sensors": SMALL["sensors"], "action_mode": "continuous"}
    keeping.remember(student, show(NAMES[0], arguments, 40, 0), np.random.default_rng(0))
    ((_, matters),) = keeping._held
    flat = torch.cat([matter.flatten() for matter in matters])
    assert float(flat.mean()) == pytest.approx(1.0, rel=1e-4)

    def held() -> float:
        return float(keeping.loss([student], np.random.default_rng(0)).detach())

    assert held() == 0.0
    weight = next(w for w in encoder.parameters() if w.ndim == 2)
    place = int(matters[[id(w) for w in encoder.parameters()].index(id(weight))].argmax())
    with torch.no_grad():
        weight.view(-1)[place] += 0.1
    most = max(float(matter.max()) for matter in matters if matter.shape == weight.shape)
    assert held() == pytest.approx(0.5 * 2.0 * most * 0.01, rel=1e-3)


@pytest.mark.parametrize("method", ["ewc", "lora"])
def test_a_sequence_that_was_stopped_goes_on_as_if_it_had_not_been(
    learnt, tmp_path: Path, method: str
) -> None:
    whole, folder = learnt[method]
    begun = tmp_path / "begun"
    shutil.copytree(folder, begun)
    shutil.rmtree(begun / "after-1")
    again = learn_sequence(job(method=method), begun)
    assert again.matrix == whole.matrix
    assert same(encoder_of(begun, 1, 1), encoder_of(folder, 1, 1))
    with pytest.raises(SavedFileError, match="holds another sequence"):
        learn_sequence(job(method=method, seed=1), begun)


def test_what_the_expert_shows_depends_on_the_seed_alone() -> None:
    arguments = {"sensors": ["proprioception"], "action_mode": "continuous"}
    one, same_again, other = (show(NAMES[0], arguments, 40, seed) for seed in (3, 3, 4))
    assert np.array_equal(one.actions, same_again.actions)
    assert not np.array_equal(one.actions, other.actions)
    assert len(one.actions) == len(one.observation["proprioception"]) == 40


def test_scenarios_with_other_sensors_are_named(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match='ALS/Build-v0 has another "role" than ALS/Tag-v0'):
        learn_sequence(job(scenarios=["ALS/Tag-v0", "ALS/Build-v0"], sensors=["role"]), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_command_says_what_it_found(tmp_path: Path) -> None:
    words = [
        "continual", NAMES[0], "--steps", 32, "--updates", 1, "--encoder", "mlp", "--sensors",
        "proprioception", "--episodes", 1, "--out", tmp_path / "out",
    ]  # fmt: skip
    run = als(*words, "--json")
    assert run.code == 0, run.err
    assert len(json.loads(run.out)["matrix"]) == 1
    assert "Mean score in the end" in als(*words).out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["ALS/Tag-v0", "ALS/Tag-v0"], "each can be learnt once"),
        (["ALS/Tag-v0", "--method", "magic"], "method"),
        (["ALS/Nowhere-v0"], "ALS/Nowhere-v0"),
        (["ALS/Tag-v0", "--figure", "x.pdf"], "x.pdf"),
    ],
)
def test_what_cannot_be_learnt_is_one_line(tmp_path: Path, words: list[str], says: str) -> None:
    run = als("continual", *words, "--out", tmp_path / "out")
    assert (run.code, len(run.err.splitlines())) == (2, 1)
    assert says in run.err
    assert not (tmp_path / "out").exists()


def test_the_figure_has_every_method(tmp_path: Path) -> None:
    write_matrices({"a": [[0.5], [0.1, 0.7]], "b": [[0.5], [0.4, 0.6]]}, NAMES, tmp_path / "m.svg")
    text = (tmp_path / "m.svg").read_text(encoding="utf-8")
    assert text.count("<image ") == 3, "two matrices, and the colours' scale"
