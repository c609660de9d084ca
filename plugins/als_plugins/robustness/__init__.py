"""How well agents act while their senses and actions are disturbed."""
