"""The bitmap font of signs and captions, with the same pixels on every machine."""
