"""Files, locks, signals and handles of the operating system; how kernels are compiled."""
