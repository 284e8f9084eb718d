"""Arrays and tensors told in full: type, shape and bytes, without importing numpy or torch."""

import sys
from typing import Any

from aidn_pipeline.core.fingerprint import JSON, Fingerprint, digest_bytes


def array_text(value: Any) -> JSON:
    """Type, shape and digest of the bytes of an array or a tensor; None for anything else.

    Raises:
        ValueError: if its values cannot be read, as those of an array of objects.
    """
    try:
        if isinstance(value, type) or not all(hasattr(value, n) for n in ("dtype", "shape")):
            return None
        facts: list[JSON] = [type(value).__name__, str(value.dtype), [int(n) for n in value.shape]]
        if hasattr(value, "detach"):
            return [*facts, _tensor_digest(value)]
        if hasattr(value, "tobytes") and not getattr(value.dtype, "hasobject", True):
            return [*facts, digest_bytes(value.tobytes())]
    except (RuntimeError, TypeError) as problem:
        raise ValueError(str(problem)) from problem
    raise ValueError(f"a {type(value).__name__} of {value.dtype} has no bytes of its own")


def _tensor_digest(tensor: Any) -> str:
    if tensor.device.type == "meta":
        return "meta"
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    # Not every type of torch's is one of numpy's; bytes are.
    return digest_bytes(flat.view(sys.modules["torch"].uint8).numpy().tobytes())


def weights_text(target: Any) -> str:
    """Digest of the parameters and buffers of a torch module; empty for anything else."""
    if not (hasattr(target, "named_parameters") and hasattr(target, "named_buffers")):
        return ""
    named = [*target.named_parameters(), *target.named_buffers()]
    return Fingerprint.of("weights", [[name, _weight(item)] for name, item in named]).digest


def _weight(tensor: Any) -> JSON:
    try:
        return array_text(tensor)
    except ValueError:
        # One without values yet, or of a form that has no bytes: whether it was written to.
        return int(getattr(tensor, "_version", 0))
