"""Draws the pictures of `docs/explain.md`: an agent that imitates the expert, looked into.

    python docs/scripts/explain_image.py

Imitation takes two minutes where reinforcement learning would take an hour; what the page explains
is the same. The card of the page needs Chromium: `playwright install chromium`.
"""

from __future__ import annotations

import sys
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from playwright.sync_api import sync_playwright

from als_engine.agents.saving import AgentRecord, make_agent, save_agent
from als_engine.render.video import write_video
from als_engine.simulation import simulate
from als_engine.system.browser import find_chromium
from als_plugins.explaining.explain import explain
from als_plugins.explaining.panels import frames
from als_plugins.explaining.recording import record

IMAGE = Path(__file__).parents[1] / "images" / "explain.gif"
CARD = IMAGE.with_name("whatif.png")
SCENARIO = "ALS/Vocabulary-v0"
ARGUMENTS = {
    "sensors": ["rgb", "entities", "proprioception", "text"],
    "frame_size": 48,
    "max_episode_steps": 120,
}
WORLDS, STEPS, UPDATES, BATCH = 32, 300, 4_500, 64


def seen_and_done(seed: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """What an expert saw, and what it did; now and then it is pushed off its way."""
    world = simulate(SCENARIO, WORLDS, 1, **ARGUMENTS)
    rng = np.random.default_rng(seed)
    world.reset(range(seed, seed + WORLDS))
    seen, done = [], []
    for step in range(STEPS):
        world.observe()
        actions = world.expert_actions()
        seen.append({key: array[:, 0].copy() for key, array in world.observations.items()})
        done.append(actions[:, 0].copy())
        pushed = rng.random(actions.shape) < 0.15
        world.step(np.where(pushed, rng.integers(0, 7, actions.shape), actions))
        ended = np.flatnonzero(world.terminated | world.truncated)
        if ended.size:
            seeds = [seed + WORLDS * (step + 2) + int(i) for i in ended]
            world.reset(seeds, ended)
    world.close()
    return (
        {key: np.concatenate([each[key] for each in seen]) for key in seen[0]},
        np.concatenate(done),
    )


def imitator(folder: Path) -> None:
    """Trains a PPO's network to do as the expert, and saves it."""
    torch.manual_seed(0)
    config = {"encoder": "attention"}
    agent = make_agent("ppo", SCENARIO, ARGUMENTS, config)
    seen, done = seen_and_done(0)
    policy = agent.policy
    policy.set_training_mode(True)
    optimizer = torch.optim.AdamW(policy.parameters(), lr=1e-3, weight_decay=1e-2)
    falling = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.05, UPDATES)
    rng = np.random.default_rng(0)
    for update in range(UPDATES):
        rows = rng.choice(len(done), BATCH, replace=False)
        observation = {key: torch.as_tensor(array[rows]) for key, array in seen.items()}
        observation["rgb"] = observation["rgb"].movedim(-1, 1)
        logits = policy.get_distribution(observation).distribution.logits
        loss = torch.nn.functional.cross_entropy(logits, torch.as_tensor(done[rows]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        falling.step()
        if update % 500 == 0:
            print(f"{update:5} {loss.item():.3f}", flush=True)
    policy.set_training_mode(False)
    record = AgentRecord(agent="ppo", scenario=SCENARIO, arguments=ARGUMENTS)
    save_agent(agent, folder, record)


def draw_card(folder: Path) -> None:
    """Takes a picture of what the page says of things, words and sounds that are taken away."""
    with TemporaryDirectory() as explained, sync_playwright() as playwright:
        found = explain(str(folder), folder=explained, seed=1, steps=48)
        path = str(find_chromium())
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1_000, "height": 900})
        page.goto(found.page.as_uri())
        page.locator(".whatif").first.screenshot(path=CARD)
        browser.close()
    print(CARD, f"{CARD.stat().st_size / 1e3:.0f} kB")


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/imitator")
    if not folder.is_dir():
        imitator(folder)
    recording = record(str(folder), seed=1, steps=48)
    write_video(IMAGE, islice(frames(recording), 0, None, 2), 4)
    print(IMAGE, f"{IMAGE.stat().st_size / 1e3:.0f} kB")
    draw_card(folder)


if __name__ == "__main__":
    main()
