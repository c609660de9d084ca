"""What do random actions, the simple rules and the expert of every scenario earn?

    python benchmarks/baselines.py                  all that is missing in results/baselines
    python benchmarks/baselines.py ALS/Tag-v0       one scenario

With the scenario's own arguments, on a hundred test episodes, avatar 0 driven by the agent: as
`als evaluate AGENT --on ID` does. The scenarios' pages show the results. Each scenario is a file of
its own, so that an interrupted call goes on with the next one.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

RESULTS = Path(__file__).parent / "results" / "baselines"
EPISODES, WORLDS = 100, 50
BLIND = {"sensors": ["proprioception"]}
"""None of these agents looks at its observation, and pictures take time."""


def main() -> int:
    """Plays whatever has not been played yet."""
    from als_engine.plugins.registry import registry
    from als_engine.system.files import write_text

    ours = [spec.id for spec in registry.scenarios() if spec.id.startswith("ALS/")]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scenarios", nargs="*", help="their ids; all by default")
    wanted = parser.parse_args().scenarios or ours
    if unknown := set(wanted) - set(ours):
        parser.error(f"unknown {unknown.pop()!r}; there are {', '.join(ours)}")
    RESULTS.mkdir(parents=True, exist_ok=True)
    for scenario in wanted:
        path = RESULTS / f"{scenario.partition('/')[2].lower()}.json"
        if not path.exists():
            write_text(path, json.dumps(play(scenario), indent=2) + "\n")
    return 0


def play(scenario: str) -> dict[str, Any]:
    """The returns and successes of one scenario's yardsticks: mean, low and high (95%)."""
    from als_engine.agents.saving import open_agent, versions
    from als_engine.evaluation.protocol import evaluate
    from als_engine.simulation import simulate

    simulation = simulate(scenario, **BLIND)
    rules = [f"heuristic:rule={rule}" for rule in simulation.task.heuristics()]
    simulation.close()
    found: dict[str, Any] = {}
    for name in ("random", *rules, "expert"):
        agent = open_agent(name, scenario, BLIND).agent
        played = evaluate(agent, scenario, EPISODES, num_worlds=WORLDS, arguments=BLIND)
        intervals = {"return": played.mean_return, "success": played.success}
        found[name] = {
            what: [round(value, 3) for value in (each.value, each.low, each.high)]
            for what, each in intervals.items()
        }
        print(f"{scenario:20} {name:28} {found[name]}", file=sys.stderr, flush=True)
    return {
        "command": f"python benchmarks/baselines.py {scenario}",
        "scenario": scenario,
        "episodes": EPISODES,
        "versions": {"als-engine": versions()["als-engine"]},
        "agents": found,
    }


if __name__ == "__main__":
    sys.exit(main())
