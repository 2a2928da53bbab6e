"""A project's virtual environment: made with uv or with venv and pip, by the person's own settings."""

from scaffolder.install.environment import (
    create_environment,
    environment_python,
    go_on_commands,
    is_unfinished,
)
from scaffolder.install.process import InstallError

__all__ = ["InstallError", "create_environment", "environment_python", "go_on_commands", "is_unfinished"]
