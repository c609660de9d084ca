"""Looks inside trained agents: where their attention goes, and what a decision hangs on."""
