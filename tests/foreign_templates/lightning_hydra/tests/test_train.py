from src.train import train


def test_loss_falls() -> None:
    assert train({"trainer.max_epochs": "3"}) < train({"trainer.max_epochs": "1"})
