"""Plugins: the hooks, the specs that they return, the registry and its discovery."""
