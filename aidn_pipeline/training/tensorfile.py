"""Tensors as blocks of bytes in the safetensors layout, and back.

`u64 header length, JSON header, data`: no holes, the widest dtype first, the header padded with
spaces so that the data starts at a multiple of 64. Blocks alias the tensors' memory: whoever writes
them hashes and flushes in its own way. Equal tensors give equal bytes.
"""

import json
import struct
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from aidn_pipeline.errors import CorruptObject, StageFailed

DTYPES: Mapping[torch.dtype, str] = {
    torch.float64: "F64",
    torch.int64: "I64",
    torch.float32: "F32",
    torch.int32: "I32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int16: "I16",
    torch.uint8: "U8",
    torch.int8: "I8",
    torch.bool: "BOOL",
}
ALIGN = 64


def tensor_blocks(tensors: Mapping[str, Tensor]) -> list[bytes | memoryview]:
    """The file's bytes: one block for the header, one for each tensor.

    Args:
        tensors: on any device, of any layout; their memory must not change before the blocks are
            written.

    Raises:
        StageFailed: if a dtype cannot be stored.
    """
    for name, tensor in tensors.items():
        if tensor.dtype not in DTYPES:
            raise StageFailed(
                f"tensor {name!r} has dtype {tensor.dtype}, which a checkpoint cannot hold",
                where=name,
                remedy=f"use one of {', '.join(str(d) for d in DTYPES)}",
            )
    names = sorted(tensors, key=lambda name: (-tensors[name].element_size(), name))
    header: dict[str, object] = {}
    blocks: list[bytes | memoryview] = []
    offset = 0
    for name in names:
        tensor = tensors[name].detach().cpu().contiguous()
        size = tensor.numel() * tensor.element_size()
        header[name] = {
            "dtype": DTYPES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [offset, offset + size],
        }
        offset += size
        if size:
            blocks.append(tensor.reshape(-1).view(torch.uint8).numpy().data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-(len(text) + 8) % ALIGN)
    return [struct.pack("<Q", len(text)) + text, *blocks]


def read_tensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a file on the CPU, by name.

    Raises:
        CorruptObject: if the file does not follow the layout.
    """
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise CorruptObject(
            f"the tensors cannot be read: {error}",
            where=str(path),
            remedy="run `aidn-run check` to see what depends on this file",
        ) from error
