"""Everything the scripts call: data, model, training, evaluation, report. Start reading at `stages.py`."""

import os

# TensorFlow reads these when it is imported, which is later than this file.
# Its C++ part greets with a dozen lines about instructions and drivers. What goes wrong is still raised; to
# see all it says, when it does not find a GPU for example, start with TF_CPP_MIN_LOG_LEVEL=0.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Otherwise it takes all of the memory of a GPU at once.
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
