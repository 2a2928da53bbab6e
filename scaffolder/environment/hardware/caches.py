"""Where packages and models are kept after they were downloaded, by the rules of each tool."""

from __future__ import annotations

from scaffolder.environment.facts import Command, command
from scaffolder.environment.system import System

#: The environment variable that moves each cache.
CACHE_VARIABLES = {
    "huggingface": "HF_HOME",
    "modelscope": "MODELSCOPE_CACHE",
    "torch": "TORCH_HOME",
    "keras": "KERAS_HOME",
    "pip": "PIP_CACHE_DIR",
    "uv": "UV_CACHE_DIR",
}


def cache_folders(system: System) -> dict[str, str]:
    """Folder of each cache, whether it is there or not; few and large files first, which are quickly counted.

    By pip's and uv's `cache dir`, huggingface_hub's and torch.hub's environment variables, keras's
    `config.keras_home` and modelscope's `get_cache_root`.
    """
    environ, home = system.environ, str(system.home)
    own = environ.get("XDG_CACHE_HOME") or f"{home}/.cache"
    local = environ.get("LOCALAPPDATA") or f"{home}/AppData/Local"
    pip = {"win32": f"{local}/pip/Cache", "darwin": f"{home}/Library/Caches/pip"}.get(system.platform, f"{own}/pip")
    uv = f"{local}/uv/cache" if system.platform == "win32" else f"{own}/uv"
    folders = {
        "huggingface": environ.get("HF_HUB_CACHE") or environ.get("HF_HOME") or f"{own}/huggingface",
        "modelscope": environ.get("MODELSCOPE_CACHE") or f"{home}/.cache/modelscope",
        "torch": environ.get("TORCH_HOME") or f"{own}/torch",
        "keras": environ.get("KERAS_HOME") or f"{home}/.keras",
        "pip": environ.get("PIP_CACHE_DIR") or pip,
        "uv": environ.get("UV_CACHE_DIR") or uv,
    }
    return {name: home + path[1:] if path.startswith("~") else path for name, path in folders.items()}


def clearing(system: System, name: str) -> tuple[Command, ...]:
    """How to empty a cache with its own tool, or else how to open its folder."""
    path = cache_folders(system).get(name, "")
    if name == "pip":
        return (command(system, "python" if system.platform == "win32" else "python3", "-m", "pip", "cache", "purge"),)
    if name == "uv":
        return (command(system, "uv", "cache", "prune"),)
    if name == "huggingface":
        return (command(system, "hf", "cache", "ls"), command(system, "hf", "cache", "prune"))
    show = {"win32": "explorer", "darwin": "open"}.get(system.platform)
    return (command(system, show, path),) if show else (command(system, "du", "-sh", path),)
