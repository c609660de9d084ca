"""The views on a simulation: Gymnasium, PettingZoo and Stable-Baselines3."""
