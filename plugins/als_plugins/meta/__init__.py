"""Learning to learn: tasks that share a scenario, and agents that adapt to a new one of them."""
