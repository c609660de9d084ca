"""The bundled agents, as data: torch is imported by the learner that needs it, not by the list."""

from __future__ import annotations

from als_engine import AgentSpec, hookimpl

# id, class in sb3.py, the action modes of the algorithm, what it is.
_LEARNERS = [
    ("ppo", "PPO", ("discrete", "continuous"), "Proximal policy optimization (SB3)."),
    (
        "recurrent-ppo",
        "RecurrentPPO",
        ("discrete", "continuous"),
        "PPO with an LSTM (SB3-contrib).",
    ),
    ("dqn", "DQN", ("discrete",), "Deep Q-network (SB3)."),
    ("qrdqn", "QRDQN", ("discrete",), "Quantile-regression DQN (SB3-contrib)."),
    ("sac", "SAC", ("continuous",), "Soft actor-critic (SB3)."),
    ("td3", "TD3", ("continuous",), "Twin delayed DDPG (SB3)."),
    ("ddpg", "DDPG", ("continuous",), "Deep deterministic policy gradient (SB3)."),
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
                agent=f"als_plugins.learners.sb3:{algorithm}",
                summary=summary,
                needs=("learn",),
                trainable=True,
                action_modes=modes,
            )
            for name, algorithm, modes, summary in _LEARNERS
        ),
    ]
