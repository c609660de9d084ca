"""The plugins that come with ALS Engine, one package for each kind."""
