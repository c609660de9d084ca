"""Whether an agent serves all groups of people alike, measured and trained for."""
