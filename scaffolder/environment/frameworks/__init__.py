"""Frameworks in the project's interpreter: what is installed, whether it fits, whether it computes."""
