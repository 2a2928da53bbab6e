from pathlib import Path


def test_readme() -> None:
    assert Path("README.md").exists()
