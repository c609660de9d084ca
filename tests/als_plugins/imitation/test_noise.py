"""Random actions among demonstrated ones: as many as were asked for, several steps in a row."""

from types import SimpleNamespace

import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete, MultiDiscrete
from learn_worlds import ID, learn

from als_engine.evaluation.protocol import evaluate
from als_plugins.imitation.imitate import imitate
from als_plugins.imitation.worlds import Noise

__all__ = ["learn"]

ROWS, STEPS = 64, 400
SPACES = [Discrete(7), MultiDiscrete([3, 4]), Box(-2.0, 1.0, (3,))]


def played(space, part):
    """(steps, rows) bool: where something else was done than a 0 of that space's shape."""
    noise = Noise(
        SimpleNamespace(action_space=space, num_rows=ROWS), part, np.random.default_rng(0)
    )
    shown = np.zeros((ROWS, *space.shape), space.dtype)
    done = [noise.disturbed(shown) for _ in range(STEPS)]
    assert all(space.contains(space.dtype.type(action)) for action in done[-1])
    assert not shown.any()
    return np.array(done).reshape(STEPS, ROWS, -1).any(-1)


@pytest.mark.parametrize("space", SPACES, ids=lambda space: type(space).__name__)
@pytest.mark.parametrize("part", [0.1, 0.5])
def test_as_many_steps_are_random_as_were_asked_for(space, part):
    zero = 1.0 / space.n if isinstance(space, Discrete) else 0.0
    zero = 1.0 / 12 if isinstance(space, MultiDiscrete) else zero
    assert played(space, part).mean() / (1.0 - zero) == pytest.approx(part, abs=0.05)


def test_they_go_on_for_several_steps():
    random = played(SPACES[2], 0.2)
    ends = (random[:-1] & ~random[1:]).sum()
    assert 5.0 < random[:-1].sum() / ends < 15.0


@pytest.mark.usefixtures("learn")
@pytest.mark.parametrize("method", ["bc", "dagger"])
def test_what_is_learnt_is_still_what_was_shown(method):
    arguments = {"sensors": ["proprioception", "entities"], "action_mode": "continuous"}
    config = {"net_arch": [32], "passes": 16, "imitation_rate": 3e-3, "noise": 0.3}
    job = {"steps": 2_048, "worlds": 8, "arguments": arguments, "config": config, "device": "cpu"}
    agent = imitate(ID, "expert", method, **job).agent
    assert evaluate(agent, ID, 20, arguments=arguments).metrics["success"].mean() > 0.8
