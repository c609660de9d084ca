"""Saves, loads and trains agents, and keeps the folders of runs."""
