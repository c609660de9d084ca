"""Tours: an avatar guides others, whose taste it does not know."""
