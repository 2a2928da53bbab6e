"""Servers that hold copies of PyPI, of PyTorch's packages and of the model hub: where they are, and who says so."""

from __future__ import annotations

from dataclasses import dataclass

PYPI = "https://pypi.org/simple"
PYTORCH = "https://download.pytorch.org/whl"
HUB = "https://huggingface.co"

#: Serves the hub's own interface: `HF_ENDPOINT` alone turns every library to it (its front page says how).
HUB_MIRROR = "https://hf-mirror.com"

#: Another hub with many of the same models. Its own package fetches from it: pip install modelscope.
MODELSCOPE = "https://www.modelscope.cn"
MODELSCOPE_PACKAGE = "modelscope"


@dataclass(frozen=True, kw_only=True)
class Mirror:
    """A copy of PyPI.

    Attributes:
        name: As `newmodel mirrors --use` takes it.
        title: Who runs it.
        packages: Address for pip's `index-url` and uv's default index.
        pytorch: Address of its copy of PyTorch's packages; a build's name such as `cu130` goes at the end.
        pytorch_kind: `index` where it can stand in for download.pytorch.org/whl, `links` where it is a plain listing
            for pip's `--find-links`.
        source: Where its own people, or those who use it, say so.
    """

    name: str
    title: str
    packages: str
    pytorch: str = ""
    pytorch_kind: str = ""
    source: str = ""


MIRRORS = (
    Mirror(
        name="tsinghua",
        title="TUNA, Tsinghua University",
        packages="https://pypi.tuna.tsinghua.edu.cn/simple",
        source="https://mirrors.tuna.tsinghua.edu.cn/help/pypi/",
    ),
    Mirror(
        name="aliyun",
        title="Alibaba Cloud",
        packages="https://mirrors.aliyun.com/pypi/simple",
        pytorch="https://mirrors.aliyun.com/pytorch-wheels",
        pytorch_kind="links",
        source="https://developer.aliyun.com/mirror/pypi",
    ),
    Mirror(
        name="ustc",
        title="University of Science and Technology of China",
        packages="https://mirrors.ustc.edu.cn/pypi/simple",
        source="https://mirrors.ustc.edu.cn/help/pypi.html",
    ),
    Mirror(
        name="tencent",
        title="Tencent Cloud",
        packages="https://mirrors.cloud.tencent.com/pypi/simple",
        source="https://mirrors.cloud.tencent.com/help/pypi.html",
    ),
    Mirror(
        name="sjtu",
        title="Shanghai Jiao Tong University",
        packages="https://mirror.sjtu.edu.cn/pypi/web/simple",
        pytorch="https://mirror.sjtu.edu.cn/pytorch-wheels",
        pytorch_kind="index",
        source="https://github.com/sjtug/mirror-requests/issues/415",
    ),
    Mirror(
        name="nju",
        title="Nanjing University",
        packages="https://mirror.nju.edu.cn/pypi/web/simple",
        pytorch="https://mirror.nju.edu.cn/pytorch/whl",
        pytorch_kind="index",
        source="https://doc.nju.edu.cn/books/35f4a/page/pypi-python-package-index",
    ),
)


def mirror_of(url: str) -> Mirror | None:
    """The mirror that an index's address belongs to."""
    from urllib.parse import urlsplit

    hosts = {urlsplit(mirror.packages).hostname: mirror for mirror in MIRRORS}
    hosts["mirrors.tuna.tsinghua.edu.cn"] = hosts["pypi.tuna.tsinghua.edu.cn"]
    hosts["pypi.mirrors.ustc.edu.cn"] = hosts["mirrors.ustc.edu.cn"]
    try:
        return hosts.get(urlsplit(url).hostname)
    except ValueError:
        return None
