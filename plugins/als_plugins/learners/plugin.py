"""The bundled agents, as data: torch is imported by the learner that needs it, not by the list."""

from __future__ import annotations

from typing import TYPE_CHECKING

from als_engine import AgentSpec, hookimpl

if TYPE_CHECKING:
    import typer

# id, module and class, the action modes of the algorithm, what it is.
_LEARNERS = [
    ("ppo", "sb3:PPO", ("discrete", "continuous"), "Proximal policy optimization (SB3)."),
    (
        "recurrent-ppo",
        "sb3:RecurrentPPO",
        ("discrete", "continuous"),
        "PPO with an LSTM (SB3-contrib).",
    ),
    ("dqn", "sb3:DQN", ("discrete",), "Deep Q-network (SB3)."),
    ("qrdqn", "sb3:QRDQN", ("discrete",), "Quantile-regression DQN (SB3-contrib)."),
    ("sac", "sb3:SAC", ("continuous",), "Soft actor-critic (SB3)."),
    ("td3", "sb3:TD3", ("continuous",), "Twin delayed DDPG (SB3)."),
    ("ddpg", "sb3:DDPG", ("continuous",), "Deep deterministic policy gradient (SB3)."),
    (
        "attention-ddpg",
        "sb3:AttentionDDPG",
        ("continuous",),
        "DDPG whose actor and critic read the attention encoder.",
    ),
    ("q-learning", "tabular:QLearning", ("discrete",), "Q-learning with a table."),
    ("sarsa", "tabular:Sarsa", ("discrete",), "SARSA with a table."),
    (
        "multi-objective",
        "multi_objective:MultiObjective",
        ("discrete", "continuous"),
        "PPO for any weighting of the reward's terms.",
    ),
]


@hookimpl
def als_agents() -> list[AgentSpec]:
    """Offers the two yardsticks, `random` and `expert`, and the learners."""
    return [
        AgentSpec(
            id="random",
            agent="als_engine.agent:RandomAgent",
            summary="Uniformly random actions: 0 on the normalized scale.",
        ),
        AgentSpec(
            id="expert",
            agent="als_engine.agent:ExpertAgent",
            summary="The scenario's own expert, which sees everything: 1 on the normalized scale.",
        ),
        *(
            AgentSpec(
                id=name,
                agent=f"als_plugins.learners.{algorithm}",
                summary=summary,
                needs=("learn",),
                trainable=True,
                action_modes=modes,
            )
            for name, algorithm, modes, summary in _LEARNERS
        ),
    ]


@hookimpl
def als_commands(app: typer.Typer) -> None:
    """Adds `als pareto`."""
    from als_plugins.learners.command import pareto

    app.command("pareto")(pareto)
