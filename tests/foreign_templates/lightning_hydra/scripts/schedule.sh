#!/bin/bash
# several runs, one after another
python src/train.py trainer.max_epochs=5
