"""Which class holds the settings of which file in configs/."""

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
