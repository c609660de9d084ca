"""The bundled encoders, as data."""

from __future__ import annotations

from als_engine import EncoderSpec, hookimpl

# id, module and class, the sensors that it cannot do without, what it is.
_ENCODERS: list[tuple[str, str, tuple[str, ...], str]] = [
    ("mlp", "mlp:MLPEncoder", (), "The plain baseline: a small network for each sensor."),
    (
        "attention",
        "attention:AttentionEncoder",
        (),
        "A multimodal transformer: patches, words, things and numbers as tokens.",
    ),
    (
        "attention-cnn",
        "attention_cnn:AttentionCNNEncoder",
        (),
        "A convolution that learns where in a picture to look.",
    ),
    (
        "graph-attention",
        "graph_attention:GraphAttentionEncoder",
        ("entities",),
        "GATv2 over the things in sight (torch-geometric).",
    ),
    (
        "recurrent",
        "recurrent:RecurrentEncoder",
        (),
        "An LSTM or GRU along time, for recurrent-ppo and for forecasting.",
    ),
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
            sensors=sensors,
        )
        for name, reference, sensors, summary in _ENCODERS
    ]
