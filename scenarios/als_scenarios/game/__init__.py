"""Games: the avatars play with and against one another."""
