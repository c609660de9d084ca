"""Explains trained agents: their attention, and attributions of their decisions."""
