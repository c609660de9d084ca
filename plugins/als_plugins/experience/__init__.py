"""Experience: episodes collected on disk, and read back at random for learning from them."""
