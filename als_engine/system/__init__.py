"""Files, locks, signals and handles: what the operating system lends."""
