"""Agents against agents: the cross-play matrix, and the best response to an agent."""
