"""Which class holds the settings of which file in configs/, and which files training reads."""

from .check_config import CheckDataConfig, ConvertDataConfig
from .config import ChatConfig, EvalConfig, FinetuneConfig, PredictConfig, ServeConfig, TrainConfig

STAGES: dict[str, type] = {
    "train": TrainConfig,
    "finetune": FinetuneConfig,
    "eval": EvalConfig,
    "predict": PredictConfig,
    "chat": ChatConfig,
    "serve": ServeConfig,
    "check_data": CheckDataConfig,
    "convert_data": ConvertDataConfig,
}


def files_to_read(config: TrainConfig) -> list[str]:
    """The text that train.py reads; names may hold * and **."""
    return config.corpus.files
