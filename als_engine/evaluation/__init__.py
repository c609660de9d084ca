"""How good an agent is: a fixed set of episodes, and what can be said from it."""
