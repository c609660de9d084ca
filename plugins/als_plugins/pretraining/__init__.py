"""Pretraining: an encoder learns from experience without labels."""
