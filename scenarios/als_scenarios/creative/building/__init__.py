"""`ALS/Build-v0`: builders stack blocks to a plan, to a sentence, or to something new."""
