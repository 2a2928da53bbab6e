"""Everything the scripts call: data, model, training, evaluation, report. Start reading at `stages.py`."""
