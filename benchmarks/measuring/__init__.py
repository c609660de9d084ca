"""What `throughput.py` measures: ratios of two things timed in turns, in one run."""

from __future__ import annotations

from measuring.envs import flatness, sb3, single, workers
from measuring.evaluation import evaluating, sandboxed
from measuring.learners import imitating, learners, overlapping
from measuring.learning import collecting, pretraining, training_share
from measuring.mujoco import mujoco_flatness, mujoco_resets, mujoco_vector, snapshots
from measuring.physics import resets, vector_against_bullet
from measuring.scenarios import scenarios
from measuring.sensors import camera_against_tiny_renderer, observing_ended, pixels_env
from measuring.startup import import_time
from measuring.timing import Measure

__all__ = ["ALL", "Measure"]

ALL = (
    vector_against_bullet,
    camera_against_tiny_renderer,
    pixels_env,
    observing_ended,
    resets,
    mujoco_vector,
    mujoco_flatness,
    mujoco_resets,
    snapshots,
    flatness,
    workers,
    sb3,
    single,
    scenarios,
    training_share,
    learners,
    overlapping,
    imitating,
    collecting,
    evaluating,
    sandboxed,
    pretraining,
    import_time,
)
