"""train: `python src/train.py trainer.max_epochs=2`."""

import sys
from pathlib import Path

# works from any folder, without installing the project
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from src import utils  # noqa: E402


def train(config: dict[str, str]) -> float:
    epochs = int(config["trainer.max_epochs"])
    weight = 0.0
    for epoch in range(epochs):
        weight += (1.0 - weight) / 2
        print(f"epoch {epoch}: train loss {1 - weight:.3f}")
    return 1 - weight


def main() -> None:
    loss = train(utils.compose("train.yaml"))
    print(f"train done, loss {loss:.3f}")


if __name__ == "__main__":
    main()
