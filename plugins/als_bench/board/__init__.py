"""The leaderboard as pages: static, with no outside requests, light and dark."""
