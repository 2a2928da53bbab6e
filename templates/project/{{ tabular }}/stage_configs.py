"""Which class holds the settings of which file in configs/."""

from .config import EvalConfig, FinetuneConfig, PredictConfig, TrainConfig

STAGES: dict[str, type] = {
    "train": TrainConfig,
    "finetune": FinetuneConfig,
    "eval": EvalConfig,
    "predict": PredictConfig,
}
