"""Ways around obstacles, for experts and for scripted company."""

from als_engine.navigation.navigator import Navigator
from als_engine.navigation.steering import approach, face, note, reached, steer

__all__ = ["Navigator", "approach", "face", "note", "reached", "steer"]
