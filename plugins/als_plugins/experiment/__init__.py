"""The whole loop, from raw experience to an adapted agent, out of one file."""
