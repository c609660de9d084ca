"""`ALS/Gathering-v0`: a party, its host, and who is who."""
