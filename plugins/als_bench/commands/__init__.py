"""The commands of the benchmark: `als bench`, `als leaderboard` and `als verify`."""
