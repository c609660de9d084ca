"""Leaderboards that can be checked: suites, runs, the store, bundles, verification, the board."""
