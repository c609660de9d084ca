"""Encoders: networks from the Dict observation to a feature vector."""
