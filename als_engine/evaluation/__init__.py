"""Evaluates agents on fixed episodes: protocol, splits, statistics, recordings, films."""
