"""What is taken out of an observation is gone, and changes what it should."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Dict
from learn_worlds import ID, learn

from als_engine.agents.saving import make_agent
from als_engine.sensors.columns import ENTITIES
from als_engine.sensors.tokenizer import encode
from als_plugins.explaining.attributions import Question, attribute
from als_plugins.explaining.decisions import Decider
from als_plugins.explaining.parts import words_in
from als_plugins.explaining.recording import Moment
from als_plugins.explaining.whatif import edits_of, what_if

__all__ = ["learn"]

pytestmark = pytest.mark.usefixtures("learn")

SIGN, FIXED = ENTITIES.index("sign"), ENTITIES.index("fixed")


@pytest.fixture(scope="module")
def pupil():
    """It has learnt to choose action 1 where a sign is in sight, and 2 elsewhere."""
    agent = make_agent("ppo", ID, {"sensors": ["entities"]}, {"net_arch": [16], "encoder": "mlp"})
    torch.manual_seed(0)
    policy = agent.policy
    with torch.no_grad():
        policy.action_net.bias[1:3] += 9.0
    optimizer = torch.optim.Adam(policy.parameters(), 3e-3)
    for step in range(60):
        rows = torch.as_tensor(sights(128, step))
        logits = policy.get_distribution({"entities": rows}).distribution.logits
        wanted = 2 - (rows[..., SIGN] > 0).any(1).long()
        loss = torch.nn.functional.cross_entropy(logits, wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.15
    return agent


def sights(rows, seed):
    """Five things, one of which is a sign in every second row."""
    rng = np.random.default_rng(seed)
    found = np.zeros((rows, 16, len(ENTITIES)), np.float32)
    found[:, :5] = rng.uniform(0, 0.3, (rows, 5, len(ENTITIES)))
    found[:, :5, 1:7] = 0.0
    found[:, :5, 0] = found[:, :5, FIXED] = 1.0
    signs = np.arange(0, rows, 2)
    place = rng.integers(0, 5, len(signs))
    found[signs, place, FIXED], found[signs, place, SIGN] = 0.0, 1.0
    return found


def asked(agent, seed):
    decider, seen = Decider(agent), {"entities": sights(1, seed)[0]}
    rows = {key: torch.as_tensor(array)[None] for key, array in seen.items()}
    with torch.no_grad():
        numbers = decider(rows)[0].double().numpy()
    target = int(numbers.argmax())
    picture = np.zeros((4, 4, 3), np.uint8)
    moment = Moment(0, 0, seen, None, None, picture, numbers, target, {}, 0.0, 0.0)
    return decider, moment, attribute(Question(decider, seen, target))


def test_taking_the_reason_away_changes_what_is_done(pupil):
    first = []
    for seed in range(1_000, 1_008):
        found = what_if(*asked(pupil, seed))
        assert len(found.edits) == 5
        assert "sign" in found.edits[0].name
        assert found.changes[0] < -1.0
        assert found.actions[0] == 2
        assert (found.actions[1:] == 1).all()
        assert found.agreement is not None
        first.append(found.first_is_first)
    assert np.mean(first) > 0.7, "it is named first as well"


def test_an_edit_is_what_the_sensors_would_have_given():
    things = np.zeros((4, len(ENTITIES)), np.float32)
    things[:3, 0] = 1.0
    things[:3, 7] = [0.1, 0.2, 0.3]
    low = np.zeros_like(things)
    low[:, 1:] = -1.0
    text = np.zeros(12, np.int16)
    words = encode("go home now")
    text[: len(words)] = words
    space = Dict(
        entities=Box(low, np.ones_like(low)),
        text=Box(0, 1023, (12,), np.int16),
        audio=Box(0.0, 1.0, (2, 8), np.float32),
        rgb=Box(0, 255, (8, 8, 3), np.uint8),
    )
    seen = {
        "entities": things,
        "text": text,
        "audio": np.full((2, 8), 0.5, np.float32),
        "rgb": np.arange(192, dtype=np.uint8).reshape(8, 8, 3),
    }
    edits = list(edits_of(space, seen))
    gone = [edit.array for edit in edits if edit.sensor == "entities"]
    assert [array[:, 7].round(1).tolist() for array in gone] == [
        [np.float32(0.2), np.float32(0.3), 0.0, 0.0],
        [np.float32(0.1), np.float32(0.3), 0.0, 0.0],
        [np.float32(0.1), np.float32(0.2), 0.0, 0.0],
    ]
    left = [[w.text for w in words_in(e.array)] for e in edits if e.sensor == "text"]
    assert left == [["home", "now"], ["go", "now"], ["go", "home"]]
    (silent,) = [edit.array for edit in edits if edit.sensor == "audio"]
    assert not silent.any()
    (covered,) = [edit.array for edit in edits if edit.sensor == "rgb"]
    assert len(np.unique(covered.reshape(-1, 3), axis=0)) == 1
    assert all(edit.array.dtype == seen[edit.sensor].dtype for edit in edits)


def test_of_nothing_nothing_is_taken_away():
    space = Dict(audio=Box(0.0, 1.0, (2, 8), np.float32), text=Box(0, 1023, (12,), np.int16))
    seen = {"audio": np.zeros((2, 8), np.float32), "text": np.zeros(12, np.int16)}
    assert list(edits_of(space, seen)) == []
