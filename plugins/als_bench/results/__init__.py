"""The results of benchmarks: a store with a row for each episode, and the files beside it."""
