"""Curricula: which levels, and which arguments of the scenario, a training meets when."""
