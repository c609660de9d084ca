"""Evolution: whole populations of policies, each playing a world of its own."""
