"""What a world holds: its layout, the rooms that are laid out, and its state as arrays."""
