"""Reinforcement learners: Stable-Baselines3 over the native vector env."""
