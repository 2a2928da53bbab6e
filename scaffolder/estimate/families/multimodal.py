"""Gemma 3 with images: SigLIP's encoder, a projection, and the language model."""

from __future__ import annotations

from scaffolder.estimate.autograd import Tensor
from scaffolder.estimate.configuration import Configuration
from scaffolder.estimate.decoder import run_decoder
from scaffolder.estimate.families.llama import gemma3_text
from scaffolder.estimate.families.vision import siglip_tower
from scaffolder.estimate.net import EMBEDDINGS, Net, Size


def gemma3(net: Net, c: Configuration, size: Size, head: str) -> Tensor:
    """Texts alone go through; the image encoder's parameters are there all the same."""
    spec = gemma3_text(c.part("text_config"))
    vision = c.part("vision_config")
    recording, flops = net.tape.recording, net.tape.flops
    net.tape.recording = False  # one small image, for the parameters' sake
    with net.scope("vision"):
        seen = siglip_tower(net, vision, Size(batch=1, length=1))
    with net.scope("projector"):
        net.weight("projection", (seen.shape[-1], spec.hidden), EMBEDDINGS)
        net.weight("norm.weight", (seen.shape[-1],), EMBEDDINGS)
    del seen
    net.tape.recording, net.tape.flops = recording, flops
    net.tape.ledger.restart()
    return run_decoder(net, spec, size, head)


FAMILIES = {"gemma3": gemma3}
