"""Walks that are made up: people who turn at an even rate, and one who follows another."""

import numpy as np

from als_plugins.forecast.tracks import Doing, Tracks, TracksRecord


def made_tracks(scenes=30, steps=40, seed=0, doing=False):
    """Two people in each scene: one walks in a circle, the other one goes to where they are."""
    rng = np.random.default_rng(seed)
    position = np.zeros((scenes, steps, 2, 2))
    turn = rng.choice([-0.2, 0.2], scenes)
    heading = rng.uniform(0, 2 * np.pi, scenes)
    position[:, 0] = rng.normal(size=(scenes, 2, 2)) * 3
    for t in range(1, steps):
        heading += turn
        ahead = 0.2 * np.stack([np.cos(heading), np.sin(heading)], -1)
        position[:, t, 0] = position[:, t - 1, 0] + ahead
        way = position[:, t - 1, 0] - position[:, t - 1, 1]
        position[:, t, 1] = position[:, t - 1, 1] + 0.05 * way
    did = None
    if doing:
        # Whoever holds the thing lays it down four steps after having said so.
        beat = np.broadcast_to(np.arange(steps)[:, None] % 10, (scenes, steps, 2))
        did = Doing(
            held=np.where(beat < 5, 0, -1).astype(np.int16),
            said=np.where(beat == 1, 0, -1).astype(np.int16),
            things=position[:, :, :1].astype(np.float32),
            things_present=np.ones((scenes, steps, 1), np.bool_),
        )
    return Tracks(
        position=position.astype(np.float32),
        present=np.ones((scenes, steps, 2), np.bool_),
        person=np.tile(np.arange(2, dtype=np.int32), (scenes, 1)),
        part=np.repeat(np.array([0, 1, 2], np.int8), [scenes - 10, 5, 5]),
        level=np.arange(scenes, dtype=np.int64),
        start=np.zeros(scenes),
        record=TracksRecord(
            source="made up", time_step=0.2, names=["ann", "bob"], verbs=["down"] if doing else []
        ),
        doing=did,
    )
