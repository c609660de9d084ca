"""Creation: the avatars make something, and what it is like is what counts."""
