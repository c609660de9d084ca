"""The plugin of `learn_worlds`; many processes import it, so it imports little itself."""

from __future__ import annotations

from als_engine import AgentSpec, ScenarioSpec, hookimpl

ID = "Learn/Reach-v0"
NO_EXPERT = "Learn/NoExpert-v0"
TRADE = "Learn/Trade-v0"
MIXED = "Learn/Mixed-v0"


@hookimpl
def als_scenarios():
    return [
        ScenarioSpec(ID, task="acme_worlds:Reach", max_episode_steps=40, max_avatars=4),
        ScenarioSpec(TRADE, task="acme_worlds:Trade", max_episode_steps=40, max_avatars=4),
        ScenarioSpec(MIXED, task="acme_worlds:Mixed", max_episode_steps=40, max_avatars=4),
        ScenarioSpec(NO_EXPERT, task="acme_worlds:Faulty", max_episode_steps=40, max_avatars=4),
    ]


@hookimpl
def als_agents():
    return [AgentSpec("learn/habit", "habit:Habit", trainable=True, action_modes=("discrete",))]
