"""The bundled agents, as data: torch is imported by the learner that needs it, not by the list."""

from __future__ import annotations

from typing import TYPE_CHECKING

from als_engine import AgentSpec, hookimpl
from als_engine.plugins.specs import ACTION_MODES

if TYPE_CHECKING:
    import typer

# id, module and class, the action modes of the algorithm, what it is.
_LEARNERS = [
    (
        "mappo",
        "mappo.learner:Mappo",
        ACTION_MODES,
        "PPO for one avatar or many, in plain torch.",
    ),
    ("ppo", "learners.on_policy:PPO", ACTION_MODES, "Proximal policy optimization (SB3)."),
    (
        "maskable-ppo",
        "learners.on_policy:MaskablePPO",
        ("discrete", "factored", "guided"),
        "PPO that draws only actions that are possible (SB3-contrib).",
    ),
    (
        "recurrent-ppo",
        "learners.on_policy:RecurrentPPO",
        ACTION_MODES,
        "PPO with an LSTM (SB3-contrib).",
    ),
    ("dqn", "learners.off_policy:DQN", ("discrete",), "Deep Q-network (SB3)."),
    ("qrdqn", "learners.off_policy:QRDQN", ("discrete",), "Quantile-regression DQN (SB3-contrib)."),
    ("sac", "learners.off_policy:SAC", ("continuous",), "Soft actor-critic (SB3)."),
    ("td3", "learners.off_policy:TD3", ("continuous",), "Twin delayed DDPG (SB3)."),
    (
        "ddpg",
        "learners.off_policy:DDPG",
        ("continuous",),
        "Deep deterministic policy gradient (SB3).",
    ),
    (
        "attention-ddpg",
        "learners.off_policy:AttentionDDPG",
        ("continuous",),
        "DDPG whose actor and critic read the attention encoder.",
    ),
    ("q-learning", "learners.tabular:QLearning", ("discrete",), "Q-learning with a table."),
    ("sarsa", "learners.tabular:Sarsa", ("discrete",), "SARSA with a table."),
    (
        "multi-objective",
        "learners.multi_objective:MultiObjective",
        ACTION_MODES,
        "PPO for any weighting of the reward's terms.",
    ),
]


@hookimpl
def als_agents() -> list[AgentSpec]:
    """Offers the yardsticks `random`, `expert` and `heuristic`, and the learners."""
    return [
        AgentSpec(
            id="random",
            agent="als_engine.agents.agent:RandomAgent",
            summary="Uniformly random actions: 0 on the normalized scale.",
        ),
        AgentSpec(
            id="expert",
            agent="als_engine.agents.agent:ExpertAgent",
            summary="The scenario's own expert, which sees everything: 1 on the normalized scale.",
        ),
        AgentSpec(
            id="heuristic",
            agent="als_engine.agents.agent:HeuristicAgent",
            summary="A simple rule of the scenario's field: heuristic:rule=NAME, or its first.",
        ),
        *(
            AgentSpec(
                id=name,
                agent=f"als_plugins.{algorithm}",
                summary=summary,
                needs=() if algorithm.startswith("learners.tabular:") else ("learn",),
                trainable=True,
                action_modes=modes,
            )
            for name, algorithm, modes, summary in _LEARNERS
        ),
    ]


@hookimpl
def als_commands(app: typer.Typer) -> None:
    """Adds `als crossplay`, `als curves`, `als exploit`, `als fairness`, `als pareto`, ..."""
    from als_plugins.crossplay.command import crossplay, exploit
    from als_plugins.fairness.command import fairness
    from als_plugins.learners.command import pareto
    from als_plugins.learners.curves_command import curves
    from als_plugins.robustness.command import robustness

    app.command("crossplay")(crossplay)
    app.command("curves")(curves)
    app.command("exploit")(exploit)
    app.command("fairness")(fairness)
    app.command("pareto")(pareto)
    app.command("robustness")(robustness)
