"""Clinics: the avatars decide about patients."""
