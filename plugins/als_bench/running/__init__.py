"""Runs of a suite: the plan, the tasks, and whoever works on them."""
