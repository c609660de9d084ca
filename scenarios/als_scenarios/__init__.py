"""The scenarios that come with ALS Engine, one package for each family."""
