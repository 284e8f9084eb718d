"""Hydra's own keys on the command line: what each is for, and what does that here."""

from aidn_pipeline.errors import ForbiddenKey

STORE = (
    "a run has no folder of its own: its work lies in the store, `.aidn/` or where AIDN_HOME says, "
    "and `aidn-run show` tells of it; remove the override"
)
OWN_WORDS = (
    "`--traceback` shows every frame of a failing stage; a stage's output is kept in its log"
)
KEYS = {
    "hydra.run": STORE,
    "hydra.sweep": STORE,
    "hydra.output_subdir": STORE,
    "hydra.job.chdir": "paths are against the project's root wherever a command is typed; a stage "
    "writes into `ctx.workdir`",
    "hydra.job.name": "a run is called by its id; the recipe's `name` is that of its models",
    "hydra.job.env_set": "set the variable for the command, and read it as `${oc.env:NAME}`",
    "hydra.launcher": "write `run.executor=processes` for stages in processes of their own, or "
    "`run.executor=inline`; `run.resources` says how much they share",
    "hydra.sweeper": "write `sampler=tpe` (`aidn-run list sampler` lists them); the `tune` stage "
    "has `space` and `num_trials`",
    "hydra.mode": "one command is one run: trials are a `sweep` stage, repeated stages have a "
    "`matrix`",
    "hydra.searchpath": "own groups stand in `conf/`, own recipes in `recipes/` of the project; "
    "remove the override",
    "hydra.callbacks": "notifiers and trackers are told of a run; a program passes its own by "
    "`AiModelBuilder.listening`",
    "hydra.verbose": OWN_WORDS,
    "hydra.job_logging": OWN_WORDS,
    "hydra.hydra_logging": OWN_WORDS,
    "hydra.help": "the comment on top of a recipe is what `aidn-run` says of it",
}
"""The remedy by key; the longest that begins the key is taken."""


def hydra_key(key: str, written: str) -> ForbiddenKey:
    """The error for an override of Hydra itself: `hydra.run.dir=...`, `hydra/launcher=...`.

    Args:
        key: as written.
        written: the whole argument.
    """
    dotted = key.replace("/", ".").partition("@")[0]
    fitting = [known for known in KEYS if f"{dotted}.".startswith(f"{known}.")]
    remedy = KEYS[max(fitting, key=len)] if fitting else "remove it"
    return ForbiddenKey(
        f"`{key}` is a setting of Hydra, which the command line does not configure",
        where=f"override {written}",
        remedy=remedy,
    )
