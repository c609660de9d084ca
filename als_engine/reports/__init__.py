"""Pages and charts: curves, bars and the report of a training."""
