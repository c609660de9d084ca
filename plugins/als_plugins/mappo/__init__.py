"""Multi-agent PPO in plain torch, over rows of worlds."""
