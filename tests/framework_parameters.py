"""Counts parameters as transformers does: run with an environment's Python that has torch and transformers.

Reads a JSON object of configurations by name on standard input and writes one of counts: the real classes, made from
the configurations on the meta device, where they take no memory. Buffers are no parameters and are not counted.
"""

from __future__ import annotations

import json
import sys
import warnings


def count(values: dict, torch, transformers) -> int:
    values = dict(values)
    kind = values.pop("model_type")
    config = transformers.AutoConfig.for_model(kind, **values)
    model_class = getattr(transformers, values["architectures"][0])
    if kind == "gemma3":  # of which the projects load the language model alone
        config, model_class = config.get_text_config(), transformers.Gemma3ForCausalLM
    with torch.device("meta"):
        model = model_class(config)
    model.tie_weights()
    return sum(parameter.numel() for parameter in {id(one): one for one in model.parameters()}.values())


def main() -> None:
    import torch
    import transformers

    warnings.simplefilter("ignore")
    transformers.logging.set_verbosity_error()
    counts = {name: count(values, torch, transformers) for name, values in json.load(sys.stdin).items()}
    versions = {"torch": torch.__version__.split("+")[0], "transformers": transformers.__version__}
    json.dump({"versions": versions, "parameters": counts}, sys.stdout, indent=2)


if __name__ == "__main__":
    main()
