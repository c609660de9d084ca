"""The engine works where the benchmark is not installed: it comes in by the door that all take."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

from places import ROOT

SCRIPT = """
import sys
sys.path[:0] = [sys.argv[1]]
import importlib.util
assert importlib.util.find_spec("als_bench.plugin") is None
import gymnasium, numpy as np
import als_engine
from als_engine.agents.training import train_agent
from als_engine.plugins.registry import registry

assert als_engine.__file__.startswith(sys.argv[1])
env = gymnasium.make("als_engine:ALS/Tag-v0", sensors=["entities"])
env.reset(seed=0)
env.step(env.action_space.sample())
env.close()
# Of the bundled plugins' learners the one that starts without torch.
arguments = {"sensors": ["proprioception", "entities"]}
train_agent("ALS/Tag-v0", "q-learning", steps=64, arguments=arguments)
print([plugin.error for plugin in registry.failures()], [suite.id for suite in registry.suites()])
sys.argv = ["als", "--help"]
from als_engine.cli import main
main()
"""


def test_it_lists_steps_and_trains_without_als_bench(tmp_path: Path) -> None:
    packages = {"als_engine": ".", "als_scenarios": "scenarios", "als_plugins": "plugins"}
    for name, folder in packages.items():
        (tmp_path / name).symlink_to(ROOT / folder / name)
    installed = distribution("als-engine")
    info = tmp_path / "als_engine-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(installed.read_text("METADATA") or "")
    points = installed.read_text("entry_points.txt") or ""
    assert "als_bench" in points
    (info / "entry_points.txt").write_text(re.sub(r".*als_bench.*\n?", "", points))
    others = [path for path in sys.path if path.endswith("site-packages")]
    # Without `site`, which would add the folder that this checkout is in.
    code = f"import sys; sys.path += {others!r}\n{SCRIPT}"
    run = subprocess.run(
        [sys.executable, "-S", "-c", code, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=110,
        cwd=tmp_path,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("[] []\n")
    commands = re.findall(r"^  (\w+)  ", run.stdout, re.MULTILINE)
    assert {"train", "evaluate", "collect"} <= {*commands}
    assert not {"bench", "leaderboard", "verify"} & {*commands}
