"""Runs a suite on a Ray cluster of two nodes, and kills one of them in the middle.

python ray_run.py SUITE STORE AGENT...
"""

from __future__ import annotations

import sys
from pathlib import Path

import ray
from ray.cluster_utils import Cluster

from als_bench.commands.leaderboard import print_table
from als_bench.contestants import find_contestants
from als_bench.running.runner import RunProgress, run_suite
from als_bench.suites import find_suite

KILLED_AT = 16
"""Episodes that are stored by then: both machines are at work."""

HEAD = {
    "num_cpus": 1,
    "include_dashboard": False,
    "_system_config": {
        # A machine that is gone is missed in ten seconds, not half a minute.
        "health_check_period_ms": 1_000,
        "health_check_failure_threshold": 10,
        # Ray's processes give way to all others; here they would starve beside the other tests.
        "worker_niceness": 0,
    },
}


def main() -> None:
    suite, store, *agents = sys.argv[1:]
    cluster = Cluster(initialize_head=True, head_node_args=HEAD)
    nodes = [cluster.add_node(num_cpus=1)]
    ray.init(address=cluster.address, log_to_driver=False)
    assert len(ray.nodes()) == 2

    def kill_one(progress: RunProgress) -> None:
        if progress.episodes >= KILLED_AT and nodes:
            cluster.remove_node(nodes.pop(), allow_graceful=False)

    try:
        finished = run_suite(
            find_suite(suite),
            find_contestants(agents),
            Path(store),
            executor="ray",
            workers=2,
            on_progress=kill_one,
        )
    finally:
        ray.shutdown()
        cluster.shutdown()
    assert not nodes, "nothing was killed"
    assert not finished.failures, finished.failures
    print_table(Path(store), finished.run.key)


if __name__ == "__main__":
    main()
