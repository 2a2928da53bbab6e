"""GPUs and their drivers: NVIDIA, AMD, Apple, Intel."""
