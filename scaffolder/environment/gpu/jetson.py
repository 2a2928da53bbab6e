"""NVIDIA's Jetson boards: a GPU inside the processor, which older releases tell neither NVML nor nvidia-smi about."""

from __future__ import annotations

from scaffolder.environment.facts import Gpu
from scaffolder.environment.gpu.chips import capability_of
from scaffolder.environment.gpu.nvidia import Nvidia
from scaffolder.environment.system import System


def ask(system: System, found: Nvidia, model: str) -> Nvidia:
    """The board's GPU, which shares the processor's memory."""
    memory = system.memory()
    gpu = Gpu(kind="cuda", name=model, total=memory[0] if memory else None, capability=capability_of(model), index=0)
    return Nvidia(gpus=(gpu,), driver=found.driver, cuda=found.cuda, source="jetson", library=found.library)
