"""The plugin that the README prints, as it prints it: installed, checked whole, and played."""

from __future__ import annotations

import json
import re

import pytest
from installed import Site
from places import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
(CODE,) = re.findall(r"```python\n([^`]*class FetchKettle.*?)```", README, re.DOTALL)
(ENTRIES,) = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
KETTLE = "Acme/FetchKettle-v0"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """The package as pip would install it: the module, and the entry points as metadata."""
    site = Site(tmp_path_factory.mktemp("kitchen"))
    site.install("acme-kitchen", {"acme_kitchen.py": CODE})
    points = re.sub(r'\[project\.entry-points\."?([\w.]+)"?\]', r"[\1]", ENTRIES).replace('"', "")
    info = site.folder / "acme_kitchen-1.0.dist-info"
    (info / "entry_points.txt").write_text(points, encoding="utf-8")
    return site


@pytest.mark.timeout(300)
def test_the_readmes_example_passes_every_check(site: Site) -> None:
    less = ("--levels", 4, "--episodes", 2, "--steps", 8, "--workers", 2)
    result = site.als("check", KETTLE, *less, COLUMNS="150")
    assert result.returncode == 0, result.stdout + result.stderr
    assert f"{KETTLE} keeps every promise" in result.stdout
    assert not re.search("✗|not asked for", result.stdout)


@pytest.mark.timeout(300)
def test_the_readmes_example_has_every_view_and_its_expert_plays(site: Site) -> None:
    code = (
        "import gymnasium as gym, json, numpy as np, als_engine\n"
        f"id, given = '{KETTLE}', dict(sensors=['proprioception'])\n"
        "seen = {}\n"
        "env = gym.make('als_engine:' + id, **given)\n"
        "env.reset(seed=0)\n"
        "while True:\n"
        "    action = env.unwrapped.simulation.expert_actions()[0, 0]\n"
        "    _, _, terminated, truncated, info = env.step(action)\n"
        "    if terminated or truncated: break\n"
        "seen['single'] = bool(info['success'])\n"
        "envs = gym.make_vec(id, num_envs=2, **given)\n"
        "seen['vector'] = list(envs.reset(seed=0)[0]['proprioception'].shape)[:1]\n"
        "penv = als_engine.parallel_env(id, num_avatars=2, **given)\n"
        "seen['parallel'] = sorted(penv.reset(seed=0)[0])\n"
        "print(json.dumps(seen))\n"
    )
    result = site.run(code)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout) == {
        "single": True,
        "vector": [2],
        "parallel": ["avatar_0", "avatar_1"],
    }
