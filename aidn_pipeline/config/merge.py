"""Layers to one tree: mappings merge key by key, everything else is replaced."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from aidn_pipeline.config.defaults import Layer
from aidn_pipeline.config.references import target
from aidn_pipeline.config.tree import Node, wrap
from aidn_pipeline.errors import ConfigError, FoundBeforeStart


def merge_layers(layers: Iterable[Layer], base: Node) -> tuple[Node, list[FoundBeforeStart]]:
    """The tree of all layers over `base`, and what is wrong with the way they lie on each other."""
    problems: list[FoundBeforeStart] = []
    mounts: dict[str, str] = {}
    tree = base
    for layer in layers:
        if layer.mount is not None:
            mounts[layer.package] = layer.mount
        tree = merge(tree, wrap(layer.config.body, layer.package), mounts, problems)
    return tree, problems


def merge(
    below: Node,
    above: Node,
    mounts: Mapping[str, str],
    problems: list[FoundBeforeStart],
    path: str = "",
) -> Node:
    """`above` merged over `below`.

    Args:
        below: what stands there.
        above: what comes over it.
        mounts: group mounted at a path.
        problems: gets what is wrong.
        path: config path of both.
    """
    if not above.is_mapping:
        return above
    through = target(below)
    if through is not None and above.value:
        problems.append(fork(below, above, ".".join(through), path))
        return below
    if not below.is_mapping:
        return above
    swapped = _swapped(below, above, mounts, path)
    if swapped is not None:
        problems.append(swapped)
        return below
    children = dict(below.value)
    for key, node in above.value.items():
        old, inner = children.get(key), f"{path}.{key}" if path else key
        children[key] = node if old is None else merge(old, node, mounts, problems, inner)
    return replace(below, value=children)


def fork(below: Node, above: Node, root: str, path: str) -> ConfigError:
    """Keys written under an interpolation would change a copy and leave the original."""
    key, node = next(iter(above.value.items()))
    remedy = f"write them where the value stands: `{root}.{key}`"
    if str(below.value).startswith("${oc.select:"):
        remedy += f"; where there is none yet, name it with `- /{root}: NAME` in the defaults list"
    return ConfigError(
        f"`{path}` is `{below.value}`; keys below it would change a copy only",
        where=node.origin,
        remedy=remedy,
    )


def _swapped(below: Node, above: Node, mounts: Mapping[str, str], path: str) -> ConfigError | None:
    group, old, new = mounts.get(path), below.get("use"), above.get("use")
    if group is None or old is None or new is None or old.value == new.value:
        return None
    mount = f"/{group}" if path == group else f"/{group}@{path}"
    return ConfigError(
        f"`use: {new.value}` over {group} {old.value!r} would keep the keys of the old one",
        where=new.origin,
        remedy=f"write `- override {mount}: {new.value}` at the end of the defaults list",
    )
