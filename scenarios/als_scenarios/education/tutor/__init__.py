"""`ALS/Tutor-v0`: a teacher and pupils whose knowledge is hidden."""
