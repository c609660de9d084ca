"""Ways around obstacles, for experts and for scripted company."""

from als_engine.navigation.navigator import Navigator, face, reached, steer

__all__ = ["Navigator", "face", "reached", "steer"]
