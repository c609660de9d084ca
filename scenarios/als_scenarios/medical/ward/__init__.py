"""`ALS/Ward-v0`: nurses treat the glucose of patients with type 1 diabetes."""
