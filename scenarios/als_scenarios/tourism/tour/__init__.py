"""A guide leads visitors of unknown taste through a museum."""
