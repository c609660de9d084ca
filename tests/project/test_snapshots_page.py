"""What `docs/snapshots.md` shows works: its code, and its planner, which plays well."""

from __future__ import annotations

import importlib.util
import re

import numpy as np
import pytest
from places import ROOT

from als_engine.envs.single import SingleEnv

PAGE = (ROOT / "docs" / "snapshots.md").read_text(encoding="utf-8")
BLOCKS = [
    block for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if "8<" not in block
]


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_the_page_s_code_runs(block, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.mkdtemp", lambda: str(tmp_path))
    exec(compile(block, "snapshots.md", "exec"), {})


def test_the_planner_gets_nearer_than_chance_does(monkeypatch):
    spec = importlib.util.spec_from_file_location("planning", ROOT / "benchmarks" / "planning.py")
    planning = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(planning)
    monkeypatch.setattr(planning, "SEQUENCES", 8)
    _, planned, tried = planning.play(1, limit=24)
    env, rng, returns = SingleEnv(planning.SCENARIO, split="test", sensors=["touch"]), np.random, []
    for play in range(3):
        generator = rng.default_rng(play)
        env.reset(seed=1)
        rewards = [env.step(generator.choice(planning.ACTIONS))[1] for _ in range(24)]
        returns.append(sum(rewards))
    env.close()
    assert planned > max(returns)
    assert 0 < tried <= 6 * 2 * 8 * 20
