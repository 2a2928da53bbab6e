"""Train a tiny model on the best device and say how the loss fell; runs in the project's interpreter.

python tiny_training.py torch|tensorflow

The last line of standard output is one JSON object: device, seconds, before, after. Nothing of newmodel is imported.
"""

from __future__ import annotations

import json
import sys
import time

STEPS = 200
ROWS, COLUMNS = 64, 8


def train_torch() -> tuple[str, float, float, float]:
    """Linear regression of a known function, in float32."""
    import torch

    if torch.cuda.is_available():
        device = torch.device("cuda")
        name = torch.cuda.get_device_name(device)
    elif hasattr(torch, "xpu") and torch.xpu.is_available():
        device = torch.device("xpu")
        name = torch.xpu.get_device_name(device)
    elif torch.backends.mps.is_available():
        device, name = torch.device("mps"), "Apple GPU"
    else:
        device, name = torch.device("cpu"), "CPU"
    torch.manual_seed(0)
    inputs = torch.randn(ROWS, COLUMNS, device=device)
    targets = inputs @ torch.randn(COLUMNS, 1, device=device)
    model = torch.nn.Sequential(torch.nn.Linear(COLUMNS, 32), torch.nn.ReLU(), torch.nn.Linear(32, 1)).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    losses = []
    began = time.monotonic()
    for _ in range(STEPS):
        loss = torch.nn.functional.mse_loss(model(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    before, after = losses[0].item(), losses[-1].item()  # waits for the device
    return name, time.monotonic() - began, before, after


def train_tensorflow() -> tuple[str, float, float, float]:
    """The same in Keras."""
    import numpy as np
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)
    details = tf.config.experimental.get_device_details(gpus[0]) if gpus else {}
    name = details.get("device_name", "GPU") if gpus else "CPU"
    tf.keras.utils.set_random_seed(0)
    random = np.random.default_rng(0)
    inputs = random.standard_normal((ROWS, COLUMNS), dtype=np.float32)
    targets = inputs @ random.standard_normal((COLUMNS, 1), dtype=np.float32)
    layers = [tf.keras.Input((COLUMNS,)), tf.keras.layers.Dense(32, "relu"), tf.keras.layers.Dense(1)]
    model = tf.keras.Sequential(layers)
    model.compile(optimizer=tf.keras.optimizers.Adam(0.01), loss="mse")
    before = float(model.evaluate(inputs, targets, verbose=0))
    began = time.monotonic()
    model.fit(inputs, targets, batch_size=ROWS, epochs=STEPS, verbose=0)
    seconds = time.monotonic() - began
    return name, seconds, before, float(model.evaluate(inputs, targets, verbose=0))


if __name__ == "__main__":
    train = {"torch": train_torch, "tensorflow": train_tensorflow}[sys.argv[1]]
    device, seconds, before, after = train()
    print(json.dumps({"device": device, "seconds": round(seconds, 3), "before": before, "after": after}))
