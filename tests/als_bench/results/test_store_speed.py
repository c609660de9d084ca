"""A million episodes are no reason to wait."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

import pytest
from store_rows import RUN

from als_bench.results.store import Store, StoreWriter

UNITS, EPISODES = 200, 5_000


@pytest.fixture(scope="module")
def million(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of 200 units with 5,000 episodes each, made by SQLite itself."""
    path = tmp_path_factory.mktemp("million") / "results.sqlite"
    with StoreWriter(path) as writer:
        writer.add_run(RUN)
    connection = sqlite3.connect(path)
    connection.executemany(
        "INSERT INTO units (run, entry, agent, seed) VALUES (?, ?, ?, ?)",
        [
            (RUN.key, f"ALS/E{entry}-v0", f"agent {agent}", seed)
            for seed in range(5)
            for entry in range(8)
            for agent in range(5)
        ],
    )
    connection.execute(
        "INSERT INTO episodes WITH RECURSIVE n (i) AS "
        f"(SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {UNITS * EPISODES - 1}) "
        f"SELECT i / {EPISODES} + 1, i % {EPISODES}, i % {EPISODES}, 10000 + i, 1 + i % 500, "
        "(i * 7919 % 1000) / 997.0, i % 2, i % 3 = 0, i * 1234567890123 FROM n"
    )
    connection.execute(
        "INSERT INTO metrics SELECT unit, episode, "
        "json_object('distance', episode * 0.37, 'success', 1.0, 'tags', 12.5) FROM episodes"
    )
    connection.commit()
    connection.close()
    return path


def test_the_means_over_a_million_episodes_take_well_under_a_second(million: Path) -> None:
    with Store(million) as store:
        began = time.process_time()
        means = store.seed_means(RUN.key)
        taken = time.process_time() - began
    assert len(means) == UNITS
    assert sum(mean.episodes for mean in means) == UNITS * EPISODES
    # Some 0.16 seconds on an idle core.
    assert taken < 0.8
