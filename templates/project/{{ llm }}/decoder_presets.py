"""Sizes of decoders that go well together, by the number of weights.

Deep rather than wide for their number of weights, as small models do best (Liu et al., MobileLLM, 2024); the
feed-forward network is about three times as wide as the residual stream, and heads are 32 to 128 wide.
"""

from __future__ import annotations

from dataclasses import replace

from .config import ModelConfig

PRESETS = {
    # seconds to minutes on a processor
    "1M": ModelConfig(
        vocabulary=2048, hidden_size=128, layers=4, heads=4, kv_heads=2, intermediate_size=384, context=256
    ),
    # half an hour on a processor
    "5M": ModelConfig(
        vocabulary=4096, hidden_size=256, layers=6, heads=4, kv_heads=2, intermediate_size=704, context=512
    ),
    # hours on a processor, minutes on a GPU
    "25M": ModelConfig(
        vocabulary=16_384,
        hidden_size=384,
        layers=12,
        heads=6,
        kv_heads=2,
        intermediate_size=1024,
        context=1024,
    ),
    # a GPU from here on
    "100M": ModelConfig(
        vocabulary=32_768,
        hidden_size=768,
        layers=12,
        heads=12,
        kv_heads=4,
        intermediate_size=2048,
        context=2048,
    ),
    "350M": ModelConfig(
        vocabulary=49_152,
        hidden_size=1024,
        layers=28,
        heads=16,
        kv_heads=4,
        intermediate_size=2816,
        context=2048,
    ),
    "0.6B": ModelConfig(
        vocabulary=65_536,
        hidden_size=1280,
        layers=28,
        heads=10,
        kv_heads=2,
        intermediate_size=3840,
        context=4096,
        rope_theta=100_000.0,
    ),
    "1.7B": ModelConfig(
        vocabulary=98_304,
        hidden_size=2048,
        layers=28,
        heads=16,
        kv_heads=8,
        intermediate_size=6144,
        context=4096,
        rope_theta=100_000.0,
    ),
}


def sized(config: ModelConfig) -> ModelConfig:
    """`config` with the sizes of its preset; what is no matter of size (qk_norm, dropout) stays as it is."""
    if config.preset == "custom":
        return config
    return replace(
        PRESETS[config.preset], preset=config.preset, qk_norm=config.qk_norm, dropout=config.dropout
    )
