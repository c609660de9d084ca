"""Pretraining: an encoder learns from experience that nobody has labelled."""
