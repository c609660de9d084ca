"""Avatars: how actions become forces, and what hands and voices do."""
