"""Geometry: footprints on the floor, lines of sight, sines that are equal everywhere."""
