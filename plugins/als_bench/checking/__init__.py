"""Bundles: what others need to check a run, and the checking."""
