"""What the shipped groups are for, in a sentence each: for editors and for the reference pages."""

from collections.abc import Mapping

PIPELINE = "pipeline"
"""A group of recipes that others begin with; it has no components."""
GROUPS: Mapping[str, str] = {
    "augmentation": "Changes the training inputs, keyed by seed, epoch and example.",
    "checkpoint": "When a training saves where it stands; never part of a result.",
    "early_stop": "Ends a training when nothing gets better.",
    "loader": "How examples are brought to the model.",
    "loss": "What a training minimises.",
    "lr_scheduler": "Moves the learning rate while a model is trained.",
    "metric": "What a model is judged by.",
    "model": "The network.",
    "optimizer": "Turns gradients into steps.",
    PIPELINE: "Stages from raw data to a servable model, for a recipe to begin with.",
    "sampler": "Proposes the params of the next trial.",
    "source": "Where the raw data come from.",
    "stage": "A step of the pipeline.",
    "trainer": "How a model is trained, in a trial and in the final fit.",
    "transform": "Fitted on the training split, and part of the model from then on.",
    "trial_scheduler": "Decides how far a trial goes.",
}


def about_group(group: str) -> str:
    """What a group is for; a project's own group has its name alone."""
    return GROUPS.get(group, f"A {group.replace('_', ' ')} of this project.")
