"""NVIDIA's chips by the names of their products, for tools and drivers too old to tell the compute capability.

https://developer.nvidia.com/cuda-gpus and https://developer.nvidia.com/cuda-legacy-gpus
"""

from __future__ import annotations

import re

#: The first that matches counts. Names as nvidia-smi and lspci write them.
_CHIPS: tuple[tuple[str, tuple[int, int]], ...] = (
    (r"\bGB10\b", (12, 1)),
    (r"RTX 50[5-9]0|RTX PRO \d+ .*Blackwell|RTX PRO [2-6]000 B|\bGB20[2-7]", (12, 0)),
    (r"\bThor\b", (11, 0)),
    (r"\bG?B300\b", (10, 3)),
    (r"\bG?B[12]00\b", (10, 0)),
    (r"\b(G?H100|G?H[28]00|H20|GH100)\b", (9, 0)),
    (r"RTX 40[5-9]0|RTX \d+ .*Ada|\bL(4|20|40|40S|2)\b|\bAD10[2-7]", (8, 9)),
    (r"\bOrin\b", (8, 7)),
    (r"\bA(100|100X|800|30|30X)\b|\bGA100\b", (8, 0)),
    (r"RTX 30[5-9]0|RTX A\d{3,4}|\bA(2|10|10G|10M|16|40)\b|RTX 2050|MX570|\bGA10[2-7]", (8, 6)),
    (r"\bT4G?\b|RTX 20[6-8]0|GTX 16[356]0|TITAN RTX|Quadro RTX|MX(450|550)|\bTU1\d\d", (7, 5)),
    (r"\bT(400|500|550|600|1000|1200|2000)\b", (7, 5)),
    (r"\bXavier\b", (7, 2)),
    (r"\bV100S?\b|TITAN V\b|\bGV100", (7, 0)),
    (r"\bTX2\b", (6, 2)),
    (r"\bP100\b|\bGP100", (6, 0)),
    (r"GTX 10[5-8]0|GT 10[13]0|TITAN X[pP]|TITAN X \(Pascal\)|MX(150|2[35]0|3[1-5]0)|\bGP10[2-8]", (6, 1)),
    (r"\bP(4|6|40)\b|Quadro P\d+|\bP\d{3,4}\b", (6, 1)),
    (r"\bNano\b|\bTX1\b", (5, 3)),
    (r"GTX (9[5-8]0|TITAN X)|TITAN X\b|\bM(4|6|10|40|60)\b|Quadro M[2-6]\d{3}|\bGM20[0-6]", (5, 2)),
    (r"GTX (745|750|8[56]0M|9[456]0M)|9[1-4]0MX?\b|8[2-4]0M\b|Quadro (K[126]2\d0|M[15]\d{3}M?)|\bGM10[7-8]", (5, 0)),
    (r"\bK80\b", (3, 7)),
    (r"\bK(20|40)[cmstX]?\b|GTX 780|TITAN Black|TITAN Z|GTX TITAN\b|Quadro K[56]\d00|GT 7[1-3]0|\bGK(110|208)", (3, 5)),
    (r"GTX (6[5-9]0|7[67]0)|GT 6[1-4]0|\bK(1|2|10|520)\b|Quadro K\d+|\bGK10[467]", (3, 0)),
)  # fmt: skip


def capability_of(name: str) -> tuple[int, int] | None:
    """The compute capability of a product; None for a name that is not known."""
    return next((capability for pattern, capability in _CHIPS if re.search(pattern, name)), None)
