"""Muon (Jordan et al. 2024): each matrix moves by its momentum with all singular values made nearly 1.

A step so moves a matrix in all directions alike, not only in the few that dominate the gradient; language
models then need far fewer steps. Embeddings, the output layer and 1-d weights are left to Adam. Steps are
scaled to be as long as Adam's, so that learning rate and weight decay mean the same for both (Liu et al.,
Muon is Scalable for LLM Training, 2025).
"""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="training")
class Muon(keras.optimizers.Muon):
    """Keras' Muon, also for the weights of attention.

    Keras leaves what has not two axes to Adam. The weights of attention have three: (H, heads, D) for
    queries, keys and values, (heads, D, H) for the output. Here they are taken for the matrices (H, heads·D)
    and (heads·D, H).
    """

    def _should_use_adamw(self, variable: Any) -> bool:
        return (
            len(variable.shape) < 2 or not matrix_of(variable) or super()._should_use_adamw(Matrix(variable))
        )

    def build(self, var_list: Any) -> None:
        """Make the momenta, and note the matrix that each weight stands for."""
        super().build(var_list)
        self.matrices = {self._get_variable_index(variable): matrix_of(variable) for variable in var_list}

    def _muon_update_step(self, gradient: Any, variable: Any, lr: Any, m: Any) -> None:
        self.assign_add(m, gradient + (self.momentum - 1) * m)
        step = gradient + self.momentum * m if self.nesterov else m
        matrix = ops.reshape(step, self.matrices[self._get_variable_index(variable)])
        turned = self.lr_adjust(lr * self.zeropower_via_newtonschulz5(matrix, self.ns_steps))
        self.assign_sub(variable, ops.reshape(turned, tuple(variable.shape)))


class Matrix:
    """Name and shape of the matrix that a weight stands for."""

    def __init__(self, variable: Any) -> None:
        self.path, self.shape = variable.path, matrix_of(variable)


def matrix_of(variable: Any) -> tuple[int, ...]:
    """Inputs and outputs of a layer; () for what is no matrix.

    Attention's output layer adds up over heads and their width; other layers have one axis of inputs.
    """
    shape = tuple(variable.shape)
    if len(shape) not in (2, 3):
        return ()
    inputs = math.prod(shape[:-1]) if "attention_output" in variable.path else shape[0]
    return inputs, math.prod(shape) // inputs
