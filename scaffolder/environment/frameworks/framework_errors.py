"""From the words of a framework that failed to what is wrong."""

from __future__ import annotations

import re

from scaffolder.environment.frameworks import framework_causes as causes
from scaffolder.environment.frameworks.framework_causes import Case, Cause, Failure, Rule, short
from scaffolder.environment.system import System
from scaffolder.messages import _

_CUDA = r"lib(?:cudnn|cublas|cudart|cufft|curand|cusparse|cusolver|nccl|nvrtc|nvToolsExt|cupti|nvJitLink|cufile)"

#: The more specific comes first.
_RULES: tuple[tuple[str, Rule], ...] = (
    (r"No space left on device|Errno 28\b|WinError 112\b|Disk quota exceeded", causes.disk),
    (
        r"_ARRAY_API not found|compiled using NumPy 1\.x|numpy\.(?:dtype|ndarray|ufunc) size changed"
        r"|numpy\.core\.multiarray failed to import|compiled against (?:NumPy C-)?A[PB]I version"
        r"|Numpy is not available",
        causes.numpy,
    ),
    (r"library was compiled to use \w+ instructions", causes.instructions),
    (r"version [`']GLIBC_([\d.]+)' not found", causes.glibc),
    (r"version [`']((?:GLIBCXX|CXXABI)_[\d.]+)' not found", causes.libstdcxx),
    (r"ld-linux[\w.-]*: No such file|Error relocating .*symbol not found", causes.musl),
    (r"have (?:instead )?'(\w+)[^']*', need '(\w+)", causes.architecture),
    (r"OMP: Error #15", causes.openmp),
    (r"libmetal_plugin\.dylib", causes.metal_plugin),
    (r"Library not loaded: (\S+)", causes.mac_library),
    (
        r"operator torchvision::nms does not exist|module 'torchvision' has no attribute"
        r"|torchvision were compiled with different|torchvision has CUDA Version",
        causes.companion,
    ),
    (r"undefined symbol: \w+, version (lib(?:nvJitLink|cu\w+)\.so\.\d+)", causes.newer_nvjitlink),
    (
        r"cuDNN version incompatibility|CUDNN_STATUS_(?:SUBLIBRARY_)?VERSION_MISMATCH"
        r"|Loaded runtime CuDNN library: [\d.]+ but source was compiled with",
        causes.cudnn_version,
    ),
    (r"(libcuda\.so[\d.]*|libnvidia-ml\.so[\d.]*): cannot open shared object file", causes.driver_library),
    (rf"({_CUDA}[\w.-]*): cannot open shared object file", causes.cuda_library),
    (rf"(?:Unable to load|Could not load library) (?:any of \{{)?({_CUDA}[\w.-]*)", causes.cuda_library),
    (r"(lib[\w+.-]+\.so[\d.]*): cannot open shared object file", causes.system_library),
    (r"undefined symbol: (\w+)", causes.symbol),
    (r"WinError 1455|paging file is too small|os error 1455", causes.page_file),
    (r"WinError 206\b", causes.long_path),
    (r"WinError (?:126|127|182|193|1114)\b|DLL load failed|DLL initialization routine failed", causes.dll),
    (
        r"no kernel image is available|is not compatible with the current PyTorch installation"
        r"|not built with CUDA kernel binaries compatible with compute capability"
        r"|CUDA_ERROR_NO_BINARY_FOR_GPU|CUDA_ERROR_INVALID_PTX|cudaErrorNoKernelImageForDevice"
        r"|HSA_STATUS_ERROR_INVALID_ISA|hipErrorNoBinaryForGpu|invalid device function",
        causes.no_kernel,
    ),
    (
        r"NVIDIA driver on your system is too old|driver version is insufficient for CUDA runtime version"
        r"|CUDA_ERROR_UNSUPPORTED_PTX_VERSION|unsupported toolchain",
        causes.old_driver,
    ),
    (
        r"forward compatibility was attempted on non supported HW|driver/library version mismatch"
        r"|unsupported display driver / cuda driver combination|CUDA_ERROR_SYSTEM_DRIVER_MISMATCH",
        causes.driver_mismatch,
    ),
    (
        r"(?:CUDA|HIP) out of memory|CUDA_ERROR_OUT_OF_MEMORY|cudaErrorMemoryAllocation|CUDA error: out of memory",
        causes.memory,
    ),
    (
        r"device\(s\) is/are busy or unavailable|all CUDA-capable devices are busy|CUDA_ERROR_DEVICE_UNAVAILABLE",
        causes.busy,
    ),
    (r"CUDNN_STATUS_\w+", causes.cudnn_failed),
    (r"system not yet initialized|CUDA_ERROR_SYSTEM_NOT_READY|cudaErrorSystemNotReady", causes.fabric_manager),
    (r"CUDA error: [^\n]*|CUDA_ERROR_\w+|HIP error: [^\n]*|CUDA unknown error[^\n]*", causes.unknown_cuda),
    (
        r"Descriptors cannot (?:not )?be created directly"
        r"|cannot import name 'runtime_version' from 'google\.protobuf'",
        causes.protobuf,
    ),
    (r"install the backwards-compatible tf-keras package", causes.tf_keras),
    (r"cannot import name '\w+' from 'typing_extensions'", causes.typing),
    (r"ImportError: ([\w-]+\s*[<>=!~]=?[\w.,<>=!~]+)\s+is required for a normal functioning", causes.needs_version),
    (r"No module named '([\w.]+)'", causes.missing_module),
    (r"PermissionError: [^\n]*'([^'\n]+)'|\[Errno 13\][^\n]*'([^'\n]+)'", causes.permission),
    (
        r"partially initialized module '([\w.]+)'[^\n]*|cannot import name '\w+' from '([\w.]+)'[^\n]*"
        r"|module '([\w.]+)' has no attribute '\w+'",
        causes.half_imported,
    ),
)

# How a process ends: by a signal (negative, or 128 and its number from a shell), or by Windows' status codes.
_ILLEGAL = {-4, 132, 0xC000001D, 0xC000001D - 2**32}
_KILLED = {-9, 137}
_MISSING_DLL = {0xC0000135, 0xC0000135 - 2**32}
_CRASHED = {-11, -6, -7, -8, 139, 134, 0xC0000005, 0xC0000005 - 2**32, 0xC0000409, 0xC0000409 - 2**32}


def diagnose(system: System, failure: Failure) -> Cause:
    """What is wrong; what nothing here knows is said in the framework's own words."""
    code, text = failure.returncode, failure.text
    if code in _ILLEGAL or "Fatal Python error: Illegal instruction" in text:
        return causes.illegal_instruction(failure)
    if code in _MISSING_DLL:
        return causes.windows_runtime(failure)
    known = _by_words(system, failure)
    if code in _KILLED:
        return Cause(
            why=_("the system ended it, as it does when memory runs out"),
            advice=_("Close other programs, or give the container more memory."),
        )
    if code in _CRASHED or "Fatal Python error:" in text:
        # what was written before a crash may be about something else
        return known if known is not None and known.code else _crash(failure)
    return known or Cause(why=own_words(failure))


#: Findings that follow from the words alone.
_CODES: tuple[tuple[Rule, str], ...] = (
    (causes.no_kernel, "NM403"),
    (causes.old_driver, "NM402"),
    (causes.cudnn_version, "NM409"),
    (causes.newer_nvjitlink, "NM409"),
)


def code_of(text: str) -> str:
    """The finding that the words of a failure lead to by themselves; empty where they lead to none."""
    for pattern, rule in _RULES:
        if re.search(pattern, text):
            return next((code for known, code in _CODES if known is rule), "")
    return ""


def _by_words(system: System, failure: Failure) -> Cause | None:
    for pattern, rule in _RULES:
        found = re.search(pattern, failure.text)
        if found is not None:
            return rule(Case(system=system, failure=failure, found=found))
    return None


def _crash(failure: Failure) -> Cause:
    """faulthandler writes the innermost call first."""
    where = re.search(r'File "[^"\n]*[\\/]site-packages[\\/](\w+)', failure.text)
    return Cause(
        why=_("its process crashed in {package}").format(package=where.group(1) if where else failure.name),
        advice=_("The installation is damaged, or the driver does not fit; install it anew."),
        install=failure.reinstall(),
    )


def own_words(failure: Failure) -> str:
    """The line of its output that says most."""
    lines = [line.strip() for line in failure.text.splitlines() if line.strip()]
    for line in lines:
        if re.match(r"[\w.]*(?:Error|Exception|Exit|Interrupt): \S", line):
            return short(line)
    if lines:
        return short(lines[-1])
    return _("its process ended with exit code {code}").format(code=failure.returncode)
