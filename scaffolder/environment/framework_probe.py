"""Do the installed frameworks work on this machine's devices? They are imported and multiply two matrices.

Nothing of it happens in our process. The project's interpreter is asked, a process each, side by side:

    [PYTHON, "-X", "newmodel=python", …]       which Python is this?                      (python.py)
    [PYTHON, "-X", "newmodel=packages", …]     what is installed? nothing is imported     (frameworks.py)
    [PYTHON, "-X", "newmodel=torch", …]        import torch and compute
    [PYTHON, "-X", "newmodel=tensorflow", …]   import TensorFlow and compute

`-X newmodel=…` means nothing to Python; it tells the questions apart, for a person who looks at the list of processes
and for a recorded machine. What follows it may change. The answer is one JSON object on a line of standard output; of
several such lines the last counts, and everything else there is passed over. Every key may be missing.

`newmodel=python`:

    {"executable": "/usr/bin/python3.12", "version": [3, 12, 3], "bits": 64, "machine": "x86_64",
     "base": "/usr/bin/python3.12",   the interpreter below, where this one is of a virtual environment; else the same
     "venv": false,                   whether it is of a virtual environment
     "conda": "",                     folder of the conda environment
     "missing": ["ensurepip"],        of venv ensurepip pip and the parts that need a system library: _ctypes _lzma
                                      _ssl _sqlite3 _bz2 readline zlib _tkinter _curses _uuid
     "managed": "",                   path of the file EXTERNALLY-MANAGED
     "implementation": "cpython", "threads": "gil"}

`newmodel=packages`:

    {"prefix": "/home/me/demo/.venv", "environment": {"python_full_version": "3.12.3", …},   as markers take them
     "packages": [{"name": "torch", "version": "2.13.0+cu130", "folder": "/home/me/demo/.venv/lib/…/site-packages",
                   "requires": ["numpy>=1.26", …], "installer": "pip", "url": "…"}, …],
     "user_site": "",                 the folder of packages for this user alone, where this Python looks there
     "torch": {"cuda": "13.0", "hip": "", "xpu": ""},              from torch/version.py
     "tensorflow": {"cuda_version": "12.5.1", "cudnn_version": "9", "cuda_compute_capabilities": ["sm_60", …]},
     "keras_backend": "tensorflow"}   from KERAS_BACKEND and keras.json

`newmodel=torch` and `newmodel=tensorflow`: a line is written before each stage, so that what kills the process is known.

    {"name": "torch", "installed": true,     false ends it: the exit code is then 0
     "stage": "done",                        or import, devices, compute: there it stopped or died
     "version": "2.13.0+cu130", "build": "cu130",   cpu, cu130, rocm7.1, xpu, mps
     "arch_list": ["sm_75", "sm_80", "compute_120"],
     "devices": [{"kind": "cuda", "name": "NVIDIA GeForce RTX 4090", "capability": "8.9", "total": 25282805760}],
     "computed": ["cuda:0"],                 devices that multiplied two matrices rightly
     "error": "RuntimeError: …",             what was raised, in full; the traceback's files are in "files"
     "warnings": ["…"],                      of Python's kind; what is written to standard error is read, too
     "libraries": ["/usr/local/cuda/lib64/libcudnn.so.9"],        NVIDIA's libraries that were loaded (Linux)
     "companions": {"torchvision": {"version": "0.28.0", "error": ""}, …},
                                             torchvision, torchaudio, transformers, bitsandbytes, numpy; keras with
                                             "backend" too
     "seconds": 1.9}                         for the import alone
"""
