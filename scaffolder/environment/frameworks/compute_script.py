"""Import a framework and multiply two matrices on every device; runs in the project's interpreter.

python compute_script.py torch|tensorflow

Before each stage one JSON object is written on a line, so that what killed the process is known; the last one counts.
framework_probe.py says what is in it. Nothing of newmodel is imported.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SIZE = 64  # of the matrices
SECONDS = 8.0  # for trying devices; the others are then left out


def say(answer: dict[str, Any], **changes: object) -> None:
    """Write the answer as far as it goes."""
    answer.update(changes)
    print("\n" + json.dumps(answer), flush=True)


def described(error: BaseException) -> tuple[str, list[str]]:
    """The error's own words, and the files that it came through."""
    import traceback

    files: list[str] = []
    first: BaseException = error
    while True:
        files += [frame.filename for frame in traceback.extract_tb(first.__traceback__)]
        if first.__cause__ is None:
            break
        first = first.__cause__
    text = "".join(traceback.format_exception_only(type(first), first)).strip()
    return text[-4000:], files[-12:]


def failed(answer: dict[str, Any], error: BaseException) -> None:
    """Note why a stage failed; what was raised first is the reason."""
    text, files = described(error)
    first = f"{type(error).__name__}: {error}"[:2000]
    say(answer, error=text if text == first else first + "\n" + text, files=files)


def installed(name: str) -> bool:
    """Whether a package of this name would be imported."""
    import importlib.util

    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def nvidia_libraries() -> list[str]:
    """Paths of the CUDA libraries that this process has loaded. Linux alone tells."""
    try:
        lines = Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    paths = {line.split(None, 5)[-1].strip() for line in lines if ".so" in line}
    names = ("libcudart", "libcudnn", "libcublas", "libcufft", "libcusparse", "libcusolver", "libnccl", "libnvJitLink")
    return sorted(path for path in paths if Path(path).name.startswith(names))


def companion(answer: dict[str, Any], name: str, look: Callable[[Any], dict[str, Any]] | None = None) -> None:
    """Import another package of the same environment and note its version, or why it fails."""
    import importlib

    if not installed(name):
        return
    entry: dict[str, Any] = {"version": "", "error": ""}
    answer["companions"][name] = entry
    say(answer, stage=name)
    try:
        module = importlib.import_module(name)
        entry["version"] = str(getattr(module, "__version__", ""))
        if look is not None:
            entry.update(look(module))
    except BaseException as error:
        entry["error"] = described(error)[0]


def keras_backend() -> str:
    """The backend that Keras would take."""
    if os.environ.get("KERAS_BACKEND"):
        return os.environ["KERAS_BACKEND"]
    home = os.environ.get("KERAS_HOME")
    folder = Path(home) if home else Path("~/.keras").expanduser()
    try:
        return str(json.loads((folder / "keras.json").read_text(encoding="utf-8"))["backend"])
    except (OSError, KeyError, TypeError, ValueError):
        return "tensorflow"


def keras(answer: dict[str, Any], backend: str) -> None:
    """Keras computes, too, where this is its backend."""

    def look(module: Any) -> dict[str, Any]:
        module.layers.Dense(2)(module.ops.ones((1, 2)))
        return {"backend": module.backend.backend()}

    if keras_backend() == backend:
        companion(answer, "keras", look)


# --- PyTorch ----------------------------------------------------------------------------------------------------------


def torch_build(torch: Any) -> str:
    """What PyTorch was built for."""
    version = torch.version
    if version.cuda:
        return f"cu{version.cuda}".replace(".", "")
    if getattr(version, "hip", None):
        return "rocm" + ".".join(version.hip.split(".")[:2])
    if getattr(version, "xpu", None):
        return "xpu"
    mps = getattr(torch.backends, "mps", None)
    return "mps" if mps is not None and mps.is_built() else "cpu"


def torch_devices(torch: Any, build: str) -> tuple[list[dict[str, Any]], str]:
    """Devices besides the processor, and why there is none."""
    devices: list[dict[str, Any]] = []
    reason = ""
    if build.startswith(("cu", "rocm")):
        try:
            torch.cuda.init()
        except Exception as error:
            reason = described(error)[0]
        for index in range(torch.cuda.device_count() if not reason else 0):
            properties = torch.cuda.get_device_properties(index)
            devices.append(
                {
                    "kind": "cuda",
                    "device": f"cuda:{index}",
                    "name": properties.name,
                    "capability": f"{properties.major}.{properties.minor}",
                    "total": properties.total_memory,
                    "architecture": getattr(properties, "gcnArchName", "").split(":")[0],
                }
            )
    xpu = getattr(torch, "xpu", None)
    if xpu is not None and xpu.is_available():
        devices += [
            {"kind": "xpu", "device": f"xpu:{index}", "name": xpu.get_device_name(index)}
            for index in range(xpu.device_count())
        ]
    mps = getattr(torch.backends, "mps", None)
    if mps is not None and mps.is_built():
        if mps.is_available():
            devices.append({"kind": "mps", "device": "mps", "name": "Apple GPU"})
        else:
            reason = "MPS is not available: it needs an Apple chip or AMD GPU, and macOS 14 or newer."
    return devices, reason


def torch_compute(torch: Any, device: str) -> None:
    """A product whose result is known, and a convolution, which needs cuDNN on NVIDIA's GPUs."""
    left = torch.full((SIZE, SIZE), 2.0, device=device)
    right = torch.full((SIZE, SIZE), 3.0, device=device)
    check((left @ right).sum().item(), 6.0 * SIZE**3)
    image, kernel = torch.ones(1, 1, 8, 8, device=device), torch.ones(1, 1, 3, 3, device=device)
    check(torch.nn.functional.conv2d(image, kernel).sum().item(), 9.0 * 36)


def check(value: float, expected: float) -> None:
    """Raise ArithmeticError for a wrong result."""
    if abs(value - expected) > 1e-3 * abs(expected):
        raise ArithmeticError(f"the device computed {value} where {expected} is right")


def torch_companions(torch: Any, answer: dict[str, Any]) -> None:
    """Packages that break, or are broken by, PyTorch."""
    if installed("numpy"):

        def numpy_look(_module: Any) -> dict[str, Any]:
            torch.zeros(1).numpy()
            return {}

        companion(answer, "numpy", numpy_look)
    companion(answer, "torchvision")
    companion(answer, "torchaudio")
    companion(answer, "bitsandbytes", bitsandbytes_look)
    companion(answer, "transformers")
    keras(answer, "torch")


def bitsandbytes_look(module: Any) -> dict[str, Any]:
    """Whether its own library for the GPU was loaded."""
    library = getattr(getattr(module, "cextension", None), "lib", None)
    return {"gpu": getattr(library, "compiled_with_cuda", None) is True}


def try_torch(answer: dict[str, Any]) -> None:
    import warnings

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        began = time.monotonic()
        say(answer, stage="import")
        import torch

        answer.update(seconds=round(time.monotonic() - began, 3), version=torch.__version__, build=torch_build(torch))
        answer.update(file=torch.__file__)
        say(answer, stage="devices")
        flags = getattr(torch._C, "_cuda_getArchFlags", None)
        answer["arch_list"] = (flags() or "").split() if flags else []
        answer["devices"], answer["device_error"] = torch_devices(torch, answer["build"])
        say(answer, stage="compute")
        compute(answer, lambda device: torch_compute(torch, device))
        answer["libraries"] = nvidia_libraries()
        torch_companions(torch, answer)
    answer["warnings"] = [str(one.message)[:1000] for one in caught][:20]


def compute(answer: dict[str, Any], work: Callable[[str], None]) -> None:
    """Try the processor and every device."""
    end = time.monotonic() + SECONDS
    for device in ["cpu", *(one["device"] for one in answer["devices"])]:
        if time.monotonic() > end:
            break
        answer["device"] = device
        say(answer)
        work(device)
        answer["computed"].append(device)
    answer["device"] = ""


# --- TensorFlow -------------------------------------------------------------------------------------------------------


def try_tensorflow(answer: dict[str, Any]) -> None:
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")  # or it takes all of the GPU's memory
    began = time.monotonic()
    say(answer, stage="import")
    import tensorflow as tf

    answer.update(seconds=round(time.monotonic() - began, 3), version=tf.__version__, file=tf.__file__)
    information = dict(tf.sysconfig.get_build_info())
    cuda = str(information.get("cuda_version") or "")
    answer["build"] = tensorflow_build(information, cuda)
    answer["arch_list"] = [str(one) for one in information.get("cuda_compute_capabilities") or []]
    answer["cudnn"] = str(information.get("cudnn_version") or "")
    say(answer, stage="devices")
    for index, device in enumerate(tf.config.list_physical_devices("GPU")):
        details = tf.config.experimental.get_device_details(device)
        capability = details.get("compute_capability") or ()
        answer["devices"].append(
            {
                "kind": "cuda" if cuda else "gpu",
                "device": f"GPU:{index}",
                "name": details.get("device_name", "GPU"),
                "capability": ".".join(map(str, capability)),
            }
        )
    say(answer, stage="compute")
    compute(answer, lambda device: tensorflow_compute(tf, device))
    answer["libraries"] = nvidia_libraries()
    keras(answer, "tensorflow")


def tensorflow_build(information: dict[str, Any], cuda: str) -> str:
    """What TensorFlow was built for."""
    if information.get("is_cuda_build"):
        return "cu" + "".join(cuda.split(".")[:2])
    return "rocm" if information.get("is_rocm_build") else "cpu"


def tensorflow_compute(tf: Any, device: str) -> None:
    """The same as for PyTorch."""
    with tf.device("/" + device.upper()):
        left, right = tf.fill((SIZE, SIZE), 2.0), tf.fill((SIZE, SIZE), 3.0)
        check(float(tf.reduce_sum(tf.matmul(left, right))), 6.0 * SIZE**3)
        image, kernel = tf.ones((1, 8, 8, 1)), tf.ones((3, 3, 1, 1))
        check(float(tf.reduce_sum(tf.nn.conv2d(image, kernel, 1, "VALID"))), 9.0 * 36)


def main(name: str) -> None:
    import faulthandler

    faulthandler.enable()  # says on standard error where a crash was
    # this file's folder holds modules of ours that would hide installed ones of the same name
    here = Path(__file__).resolve().parent
    sys.path[:] = [path for path in sys.path if Path(path).resolve() != here]
    answer: dict[str, Any] = {
        "name": name,
        "installed": installed(name),
        "stage": "",
        "devices": [],
        "computed": [],
        "companions": {},
        "error": "",
    }
    if answer["installed"]:
        try:
            {"torch": try_torch, "tensorflow": try_tensorflow}[name](answer)
            answer["stage"] = "done"
        except BaseException as error:
            failed(answer, error)
    say(answer)
    sys.stderr.flush()
    os._exit(0)  # a driver that crashes while the process ends says nothing about training


if __name__ == "__main__":
    main(sys.argv[1])
