"""Agents in processes of their own, which see observations and nothing else."""
