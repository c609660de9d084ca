"""`ALS/Meeting-v0`: speakers who interrupt and change their minds, and who takes the minutes."""
