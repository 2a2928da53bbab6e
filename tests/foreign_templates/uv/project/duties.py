"""Development tasks."""


def test() -> None:
    """Run the tests."""
