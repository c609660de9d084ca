"""Offices: the avatars work together."""
