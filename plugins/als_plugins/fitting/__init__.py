"""Agents that fit into less: whole numbers of 8 bits for weights, and fewer of them."""
