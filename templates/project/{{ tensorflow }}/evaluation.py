"""Outputs of a trained model for a data set."""

import keras
import numpy as np
import tensorflow as tf


def predict(model: keras.Model, dataset: tf.data.Dataset, batch_size: int) -> np.ndarray:
    """The model's raw outputs, `(N, outputs)` float32, in the order of the rows; targets are not used."""
    outputs = model.predict(dataset.batch(batch_size).prefetch(tf.data.AUTOTUNE), verbose=0)
    return np.asarray(outputs, dtype=np.float32).reshape(len(outputs), -1)
