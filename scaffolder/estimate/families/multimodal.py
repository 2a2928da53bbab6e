"""Models that also read images: their language model alone, which is what the projects train and use."""

from __future__ import annotations

from scaffolder.estimate.autograd import Tensor
from scaffolder.estimate.configuration import Configuration
from scaffolder.estimate.decoder import run_decoder
from scaffolder.estimate.families.llama import gemma3_text
from scaffolder.estimate.net import Net, Size


def gemma3(net: Net, c: Configuration, size: Size, head: str) -> Tensor:
    """Gemma 3 from 4B on; SigLIP's encoder and the projection of its images are not loaded."""
    return run_decoder(net, gemma3_text(c.part("text_config")), size, head)


FAMILIES = {"gemma3": gemma3}
