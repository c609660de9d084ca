"""Agents as saved folders, and the folder and the course of a training."""
