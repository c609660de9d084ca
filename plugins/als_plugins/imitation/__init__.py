"""Imitation: agents that learn from demonstrations."""
