"""Persons' data: what is taken out of it, what still gives them away, and private learning."""
