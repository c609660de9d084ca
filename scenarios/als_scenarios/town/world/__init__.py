"""`ALS/World-v0`: one helper in a town, who is asked to do any of the others' tasks."""
