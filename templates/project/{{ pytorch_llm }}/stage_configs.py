"""Which class holds the settings of which file in configs/, and which files training reads."""

from .align_config import AlignConfig
from .check_config import CheckDataConfig, ConvertDataConfig
from .config import ChatConfig, EvalConfig, FinetuneConfig, PredictConfig, ServeConfig, TrainConfig
from .export_config import ExportConfig

STAGES: dict[str, type] = {
    "train": TrainConfig,
    "finetune": FinetuneConfig,
    "eval": EvalConfig,
    "predict": PredictConfig,
    "align": AlignConfig,
    "chat": ChatConfig,
    "serve": ServeConfig,
    "export": ExportConfig,
    "check_data": CheckDataConfig,
    "convert_data": ConvertDataConfig,
}


def files_to_read(config: TrainConfig) -> list[str]:
    """The text that train.py reads; names may hold * and **."""
    return config.corpus.files
