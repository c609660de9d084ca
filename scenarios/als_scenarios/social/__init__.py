"""Scenarios about people and how they feel."""
