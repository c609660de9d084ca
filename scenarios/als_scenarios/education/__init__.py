"""Lessons: the avatars are students."""
