"""Runs in the new project."""

from pathlib import Path

Path("CHANGELOG.md").write_text("# {{ cookiecutter.first_version }}\n", encoding="utf-8")
