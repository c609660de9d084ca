"""Forecasting people: where they will be, where they were in a gap, and what they do next."""
