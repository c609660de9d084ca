"""Runs of a suite: the plan, its tasks, and their executors."""
