"""A reading room: scans drawn from the morphology of real cell nuclei are read and filed."""
