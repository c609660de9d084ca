"""Worlds in the browser: people watch, join and drive avatars, and programs do the same."""
