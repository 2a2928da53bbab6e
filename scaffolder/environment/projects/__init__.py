"""A project: its environment, data, files and last training."""
