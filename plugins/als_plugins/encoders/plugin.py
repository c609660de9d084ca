"""The bundled encoders, as data."""

from __future__ import annotations

from als_engine import EncoderSpec, hookimpl

# id, module and class, what it is.
_ENCODERS = [
    ("mlp", "mlp:MLPEncoder", "The plain baseline: a small network for each sensor."),
    ("attention", "attention:AttentionEncoder", "A multimodal transformer over tokens."),
]


@hookimpl
def als_encoders() -> list[EncoderSpec]:
    """Offers the encoders."""
    return [
        EncoderSpec(
            id=name,
            encoder=f"als_plugins.encoders.{reference}",
            summary=summary,
            needs=("learn",),
        )
        for name, reference, summary in _ENCODERS
    ]
