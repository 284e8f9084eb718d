"""Our merge equals Hydra's own `compose` on the shipped recipes."""

from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from aidn_pipeline.config.builtin import data_folder
from aidn_pipeline.config.compose import compose as our_compose
from aidn_pipeline.config.headers import list_recipes
from aidn_pipeline.config.indexes import builtin_index
from aidn_pipeline.config.library import Library
from aidn_pipeline.config.project import find_project

RECIPES = [info.name for info in list_recipes(find_project(data_folder("recipes"))) if info.builtin]
CHOICES = {
    "digits": ["sampler=random", "optimizer=sgd", "model=cnn", "trial_scheduler=median"],
    "digits_train": ["model=cnn"],
}


@pytest.mark.parametrize("recipe", RECIPES)
def test_our_merge_equals_hydras_compose(recipe: str, tmp_path: Path) -> None:
    for choice in (None, *CHOICES.get(recipe, [])):
        choices = [choice] if choice else []
        with initialize_config_dir(str(data_folder("recipes").resolve()), version_base="1.3"):
            conf = data_folder("conf").resolve()
            theirs = compose(recipe, [f"hydra.searchpath=[file://{conf}]", *choices])
        expected = OmegaConf.to_container(theirs, resolve=False)
        library = Library(find_project(tmp_path), builtin_index())
        assert our_compose(library, recipe, choices).tree.plain() == expected
