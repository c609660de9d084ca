"""What `evidence.py` compares: the scenarios, the arms, and how one of them is run."""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trainings import whole

from als_engine.agents.agent import Progress

WORK = Path("runs") / "evidence"
"""Datasets, encoders and agents; may be deleted, and is made again from the seeds."""

EVALUATED = 100
"""Held-out episodes behind every score."""


@dataclass(frozen=True)
class Setting:
    """One scenario, and everything that its arms share.

    Attributes:
        scenario, arguments: where.
        steps: environment steps of every arm.
        episodes, policy: the experience behind the pretrained encoders, from training levels.
        objectives, pretraining_steps, batch, learning_rate: of the pretraining.
        encoder: arguments of the attention encoder.
        config: PPO's hyperparameters, the same for all arms.
        drift: the arguments that change for adaptation.
    """

    scenario: str
    arguments: dict[str, Any]
    steps: int
    episodes: int = 300
    policy: str = "mix"
    objectives: dict[str, float] = field(default_factory=lambda: {"masked": 1.0, "dynamics": 1.0})
    pretraining_steps: int = 1_500
    batch: int = 64
    learning_rate: float = 1e-3
    encoder: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    drift: dict[str, Any] = field(default_factory=dict)
    adaptation_steps: int = 40_000


PPO = {"learning_rate": 5e-4, "n_epochs": 4, "gamma": 0.98}

SETTINGS = {
    "tag": Setting(
        "ALS/Tag-v0",
        {"sensors": ["entities", "proprioception"], "action_mode": "continuous"},
        steps=50_000,
        config=PPO,
        drift={"side": 14.0},
    ),
    "diagnosis": Setting(
        "ALS/Diagnosis-v0",
        {"sensors": ["chart", "entities", "proprioception"], "action_mode": "continuous"},
        steps=50_000,
        config=PPO,
    ),
    "vocabulary": Setting(
        "ALS/Vocabulary-v0",
        {"sensors": ["entities", "proprioception", "text"], "action_mode": "continuous"},
        steps=30_000,
        episodes=2_000,
        policy="turns",
        objectives={"destination": 1.0},
        pretraining_steps=4_000,
        batch=128,
        learning_rate=2e-3,
        config=PPO,
        # Two blocks: the first can read the words, the second look for the thing that they name.
        encoder={"width": 32, "depth": 2, "heads": 2, "features": 64},
    ),
}

ARMS: dict[str, dict[str, Any]] = {
    "mlp": {"encoder": "mlp"},
    "attention": {"encoder": "attention"},
    "frozen": {"encoder": "attention", "tuning": "frozen"},
    "lora": {"encoder": "attention", "tuning": "lora"},
    "full": {"encoder": "attention", "tuning": "full"},
}
"""The last three begin with the pretrained encoder, the first two with random weights."""

ADAPTATION = {"adapt-off": None, "adapt-task": "none", "adapt-on": "simulated:0.1"}
"""The agent of arm "full" after the world has drifted, and the feedback that it is adapted from:
as it is, from the task's reward alone, or from a simulated teacher's words beside it."""


def run(setting: str, arm: str, seed: int) -> dict[str, Any]:
    """Makes one run of one arm; returns what goes into its file."""
    chosen = SETTINGS[setting]
    found = _adapt(setting, arm, seed) if arm in ADAPTATION else _train(setting, arm, seed)
    return {
        "setting": setting,
        "arm": arm,
        "seed": seed,
        "scenario": chosen.scenario,
        "arguments": chosen.arguments,
        "command": f"python benchmarks/evidence.py one {setting} {arm} {seed}",
        **found,
    }


def pretrained(setting: str, seed: int) -> Path:
    """The encoder of a seed, pretrained on the seed's own experience; made when it is missing."""
    from als_engine.errors import SavedFileError
    from als_plugins.encoders.saving import read_encoder_record
    from als_plugins.experience.collect import collect
    from als_plugins.pretraining.pretrain import pretrain

    chosen, folder = SETTINGS[setting], WORK / f"{setting}-{seed}"
    try:
        read_encoder_record(folder / "pretraining")
    except SavedFileError:
        collect(
            chosen.scenario,
            folder / "experience",
            policy=chosen.policy,
            episodes=chosen.episodes,
            seed=seed,
            arguments=chosen.arguments,
        )
        pretrain(
            folder / "experience",
            folder / "pretraining",
            encoder="attention",
            config=chosen.encoder,
            sensors=chosen.arguments["sensors"],
            objectives=chosen.objectives,
            steps=chosen.pretraining_steps,
            batch=chosen.batch,
            learning_rate=chosen.learning_rate,
            seed=seed,
            resume=(folder / "pretraining").exists(),
        )
    return folder / "pretraining"


def _train(setting: str, arm: str, seed: int) -> dict[str, Any]:
    from als_engine.agents.training import train_agent

    chosen, config = SETTINGS[setting], {**SETTINGS[setting].config, **ARMS[arm]}
    if "tuning" in config:
        config["pretrained"] = str(pretrained(setting, seed).resolve())
    elif config["encoder"] == "attention":
        config["encoder_config"] = chosen.encoder
    curve: list[list[float]] = []

    def note(progress: Progress) -> None:
        late = not curve or progress.steps - curve[-1][0] >= chosen.steps / 60
        if math.isfinite(progress.mean_return) and (late or progress.steps >= chosen.steps):
            curve.append([progress.steps, round(progress.mean_return, 4)])

    folder = WORK / f"{setting}-{seed}" / f"agent-{arm}"
    shutil.rmtree(folder, ignore_errors=True)  # Of a run that was killed.
    trained = train_agent(
        chosen.scenario,
        "ppo",
        steps=chosen.steps,
        folder=folder,
        seed=seed,
        arguments=chosen.arguments,
        config=config,
        on_progress=note,
    )
    whole(trained, chosen.steps)
    shutil.rmtree(folder / "checkpoints")
    return {
        "steps": chosen.steps,
        "seconds": round(trained.seconds, 1),
        "curve": curve,
        **_evaluated(folder, chosen.arguments),
    }


def _adapt(setting: str, arm: str, seed: int) -> dict[str, Any]:
    from als_plugins.adaptation.adapt import adapt

    chosen, folder = SETTINGS[setting], WORK / f"{setting}-{seed}"
    agent, drifted = folder / "agent-full", {**chosen.arguments, **chosen.drift}
    if not agent.exists():
        _train(setting, "full", seed)
    feedback = ADAPTATION[arm]
    if feedback is None:
        return {"steps": 0, "seconds": 0.0, **_evaluated(agent, drifted)}
    out = folder / arm
    shutil.rmtree(out, ignore_errors=True)
    adapt(
        agent,
        chosen.scenario,
        folder=out,
        feedback=feedback,
        steps=chosen.adaptation_steps,
        drift=chosen.drift,
        seed=seed,
    )
    return {"steps": chosen.adaptation_steps, **_evaluated(out, drifted)}


def _evaluated(folder: Path, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return, normalised return and success on held-out levels."""
    from als_engine.agents.saving import open_agent
    from als_engine.evaluation.protocol import evaluate, normalise

    opened = open_agent(str(folder), arguments=arguments)
    # Sampled, as in training: so early, the mean of a continuous policy has not learnt yet to do
    # what it takes a threshold to do, such as using a thing.
    found = evaluate(
        opened.agent, opened.scenario, EVALUATED, arguments=opened.arguments, deterministic=False
    )
    score = normalise(found)
    assert score is not None
    return {
        "return": round(found.mean_return.value, 4),
        "score": round(score.score.value, 4),
        "success": round(found.success.value, 4),
        "deterministic": False,
    }
