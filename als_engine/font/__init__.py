"""The bitmap font of signs and captions, which is as equal everywhere as everything else is."""
