import sys
from pathlib import Path

CONFIGS = Path(__file__).resolve().parents[2] / "configs"


def compose(name: str) -> dict[str, str]:
    """A configuration, with what the command line overrides."""
    lines = [line.split(":", 1) for line in (CONFIGS / name).read_text(encoding="utf-8").splitlines()]
    config = {key.strip(): value.strip() for key, value in lines}
    return config | dict(argument.split("=", 1) for argument in sys.argv[1:])
