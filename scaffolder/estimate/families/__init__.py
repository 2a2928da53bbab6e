"""The architectures that are known, by the `model_type` of their configuration."""
