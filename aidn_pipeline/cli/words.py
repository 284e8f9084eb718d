"""The verbs and their help, as plain text: printing it imports nothing else."""


class Word:
    """A verb. A plain class: `typing` and `dataclasses` cost as much as an empty program.

    Attributes:
        module: that has its `main`.
        line: for the list of verbs.
        help: printed for `aidn-run VERB --help`.
    """

    __slots__ = ("help", "line", "module")

    def __init__(self, module: str, line: str, help: str) -> None:  # noqa: A002 - as its attribute
        self.module = module
        self.line = line
        self.help = help


HELP_RUN = """\
aidn-run recipe=NAME [key=value ...] [--plan] [--from | --until | --only | --force STAGE]
         [--no-cache] [--frozen] [--json] [--traceback] [--pdb]

Runs a recipe: what is done already is reused, what was interrupted is resumed, the rest is run.

  key=value        sets a key of the recipe: trainer.epochs=5, model=cnn, sampler=random
  ~key             removes one: ~stages.tune
  --plan           says what would be done, and why; runs nothing
  --force STAGE    runs a stage although its result exists; may be given several times
  --from STAGE     runs that stage and all after it although their results exist
  --until STAGE    runs it and what it needs, nothing after it
  --only STAGE     runs it alone; the results of what it needs must be there
  --no-cache       makes everything anew, trials too; equal bytes are stored once
  --frozen         fails before the first stage if anything differs from the recipe's lock
  --json           progress goes to stderr, one JSON object (schemas/run.schema.json) ends stdout
  --traceback      a failing stage shows every frame, not only yours (or AIDN_TRACEBACK=full)
  --pdb            a failing stage opens the debugger at your last frame

Exit codes: 0 done; 1 an error of ours; 2 found before the first stage started; 3 a stage failed;
4 a gate was not met, nothing was registered; 130, 143 interrupted: the same command continues.
"""

VERBS = {
    "run": Word("run", "run a recipe (the word may be left out)", HELP_RUN),
    "new": Word(
        "new",
        "write a project that runs at once",
        """\
aidn-run new NAME [--kind table|text|images] [--from FILE --target COLUMN] [--in FOLDER]

Writes a project of its own into the folder NAME: a recipe, a package with a model, a metric and a
reader of the data, tests, pyproject.toml, a CI file. It runs as it is, with made-up data.

  --kind KIND      what the data are: table (default), text or images
  --from FILE      begins with a CSV, JSON lines or Parquet file, or a folder of images by class:
                   says what it holds, how much is missing, which line of the recipe changes that
  --target COLUMN  of the file, to be predicted
  --text COLUMN    of the file, that holds the texts; by default the one with the longest
  --in FOLDER      where the project's folder is made; the working folder by default

On a terminal it asks for what is not given. A folder that holds something is never touched.
""",
    ),
    "plan": Word(
        "plan",
        "say what a run would do, and why",
        """\
aidn-run plan recipe=NAME [key=value ...] [--force STAGE] [--json]

Says for each stage `reuse | resume | run | wait`, the reason, and how long it took the last time.
`wait` runs unless what it needs comes out unchanged. Nothing is run.
""",
    ),
    "rerun": Word(
        "rerun",
        "run an earlier run again: its configuration, its data",
        """\
aidn-run rerun RUN [--plan] [--strict] [--no-cache] [--from | --until | --force STAGE] [--json]

Runs a run again, by its id, the beginning of one, or `last`: with the configuration as it was then
and the data that were read then, whatever was edited since. What is kept is reused, what `gc`
removed is made again. Code and packages that have changed since are named before it starts; at the
end it says whether all outputs have the same bytes.

  --strict         refuses if code or packages have changed, and fails if a byte differs
  --no-cache       makes everything anew: the proof that it can be
  --plan           says what would be done, and why; runs nothing
  --until STAGE    runs it and what it needs, nothing after it
  --from STAGE     runs that stage and all after it although their results exist
  --force STAGE    runs a stage although its result exists
  --json           as of a run; `rerun` in the object says whether the bytes are the same

It is a run of its own; `aidn-run show` names the one that it is again. Keys of `run.` may be given.
""",
    ),
    "lock": Word(
        "lock",
        "write down what the results of a recipe rest on, for --frozen",
        """\
aidn-run lock recipe=NAME [key=value ...] [--json]

Writes `recipes/NAME.lock`, to be reviewed and committed: every value of the resolved recipe, the
digests of data files, of each function of your code, the versions of components and packages, the
environment that is read, and the digests of the outputs that are in the store.
`aidn-run recipe=NAME --frozen` then fails with exit code 2 before the first stage if anything
differs, naming it: key with both values and place, file, function, package. After the run it holds
the outputs against the locked ones. One lock, with the changes given here, is of one recipe.

  --json   one JSON object: format, path, written, changed, outputs
""",
    ),
    "list": Word(
        "listing",
        "list recipes, stages, components, runs or models",
        """\
aidn-run list recipes              recipes of the project, then the shipped ones
aidn-run list stages               stages with their ports
aidn-run list components [GROUP]   what a `use:` or `group=` may name, with its fields
aidn-run list GROUP                those of one group: model, optimizer, sampler, metric, ...
aidn-run list runs                 the last 20 runs of this project, the newest last
aidn-run list runs 100             the last 100; all: every one
aidn-run list models               registered versions
""",
    ),
    "show": Word(
        "show",
        "show a run, or what a recipe comes to",
        """\
aidn-run show [RUN] [--json]
aidn-run show recipe=NAME [key=value ...]

Shows a run by its id, or by the beginning of one; the newest if none is given: its plan with the
artifacts, parameters, trials, metrics, curves and model, and what to type next.
Of a recipe it shows every value as YAML, each with the file and line, or the override, it is from.

  --json   the run as one JSON object (schemas/run.schema.json)
""",
    ),
    "why": Word(
        "why",
        "say why a stage would run, or ran",
        """\
aidn-run why STAGE [recipe=NAME key=value ...] [--json]
aidn-run why STAGE --run RUN [--json]

Says what the next run would do with a stage and everything that differs from its last result:
keys with the file and line, or the override, of the new value; code by file, class and function;
packages; data and what made them; outputs that are missing.
Without recipe=NAME it is the recipe of the newest run with its changes.

  --run RUN   why it ran then: a run's id, the beginning of one, last or last~1
  --json      one JSON object: format, stage, action, reason, last, differences (kind, name, old,
              new, where, files), missing, accepted, inputs
""",
    ),
    "accept": Word(
        "accept",
        "keep a stage's result although code or configuration changed",
        """\
aidn-run accept STAGE ... --reason TEXT [recipe=NAME key=value ...] [--json]
aidn-run accept STAGE ... --undo [recipe=NAME key=value ...] [--json]

Declares that what changed makes no difference to the result of a stage, such as a variable that
was renamed: the last result is recorded for the stage as it is now, with who, when and why, and
the next run reuses it. Plan, show and why say so. Of several stages, and of the cells of a matrix,
all are accepted or none.
Refused where an input or a file that it reads has other bytes, where an output is missing or
damaged, and for stages that act elsewhere, such as register.
Without recipe=NAME it is the recipe of the newest run with its changes.

  --reason TEXT   why it makes no difference
  --undo          takes it back: the stage runs again
""",
    ),
    "diff": Word(
        "diff",
        "compare two runs: configuration, code, data, metrics",
        """\
aidn-run diff [A [B]] [--markdown] [--json] [--exit-code]

Says what differs between two runs and what came of it. A and B are ids, beginnings of ids, last or
last~1; without them it is the newest run against the one before.

  --markdown    tables for a pull request
  --json        one JSON object: format, differs, a, b, config, found, environment, code, packages,
                data, stages, metrics
  --exit-code   exits with 1 if anything differs
""",
    ),
    "blame": Word(
        "blame",
        "say where a value of a recipe comes from",
        """\
aidn-run blame KEY [recipe=NAME key=value ...] [--json]

Says everything that set a key, in order: the component's default, each file with its line, the
override; for `${...}` the history of what it refers to. The last one holds.
Without recipe=NAME it is the recipe of the newest run with its changes.

  --json   one JSON object: key, path, value, history (kind, value, where), leaves, refers_to
""",
    ),
    "graph": Word(
        "graph",
        "draw the stages, and what a run would do with each",
        """\
aidn-run graph [recipe=NAME key=value ...] [--format text|mermaid|svg|json] [--cells]
               [--output FILE]

Draws which stage needs which, with what the next run would do: reuse, resume, run, wait, skip.
Without recipe=NAME it is the recipe of the newest run with its changes.

  --format F       text (default), mermaid (for Markdown on GitHub), svg, or json
  --cells          every cell of a matrix by itself; otherwise those of one stage are one
  --output FILE    writes it there; the end of the name says the format: .mmd, .md, .svg, .json
""",
    ),
    "predict": Word(
        "predict",
        "ask a registered model or a bundle",
        """\
aidn-run predict REF --input FILE|FOLDER [--output FILE|FOLDER]
aidn-run predict REF --row JSON [--row JSON ...] [--output FILE]

  REF              a model (`digits`, `digits@3`) or a bundle's folder
  --input FILE     raw rows: .json (a list of objects or of lists), .jsonl, .csv, .parquet,
                   or - for JSON on stdin; of a folder all such files, by name. For a model of
                   texts also .txt, one in each line; for a model of images .png, .jpg, ...
                   or a folder of them
  --row JSON       one raw row: '{"column": 1.5}' or '[1.5, 2]'; may be given several times
  --output FILE    .json, .jsonl or .csv; without it the predictions go to stdout as JSON.
                   For a folder of rows a folder that is there gets one file for each of them
""",
    ),
    "check": Word(
        "check",
        "verify every byte of the store; set aside what is damaged",
        """\
aidn-run check [--repair | --rebuild | --undo] [--json]

Verifies every object, record, index row and reference; says what depends on a damaged object
(stages, runs, models, bundles) and which command makes it again. Changes nothing by itself.

  --repair   moves what is damaged to the quarantine, where nothing reads it; runs nothing: the
             next run makes anew what it needs
  --undo     moves what was set aside back, where nothing was made anew in its place
  --rebuild  makes the index anew from the journal, then looks
  --json     one JSON object: format, objects, quarantine (files set aside), mended and findings,
             each with kind, path, id, problem, remedy, command and used_by

Exit codes: 0 all is sound, or was mended by this command; 1 something is wrong or must be made
again; 2 the command was not understood.
""",
    ),
    "gc": Word(
        "gc",
        "free space: say what nothing needs, move it to a trash",
        """\
aidn-run gc [--apply] [--keep-runs N] [--budget SIZE] [--unfinished] [--json]
aidn-run gc --undo | --purge | --pin RUN | --unpin RUN  [--json]

Says what would go, how much, and why the rest stays; changes nothing without --apply.
Kept is what is reached from registered versions, tags and pins, the newest runs of each recipe,
its last run that was done, live processes and unfinished work. Metrics, curves and chosen
parameters of all runs stay. Safe beside running pipelines.

  --apply          moves what goes to a trash inside the store
  --keep-runs N    runs of each recipe that are kept, the newest; 10 by default
  --budget SIZE    such as 2GB: takes the least valuable first (seconds of recomputation lost for
                   each byte freed) and only until the store fits
  --unfinished     also takes unfinished work that no live process is at: its checkpoints
  --undo           brings everything in the trash back
  --purge          deletes the trash for good
  --pin RUN        keeps a run, whatever its age; --unpin releases it
  --json           one JSON object: format, applied, total, freed, objects, trash, budget, fits,
                   kept (why, objects, size), removals (stage, run, fingerprint, work, seconds,
                   size, objects); of --undo back, of --purge freed, of --pin run and pinned

Exit codes: 0 done; 1 the store does not fit in the budget, or an error of ours; 2 the command was
not understood.
""",
    ),
    "debug": Word(
        "debug",
        "run one stage by itself, and stop where it fails",
        """\
aidn-run debug STAGE recipe=NAME [key=value ...] [--no-pdb] [--traceback]

Runs what the stage needs, as a run does, then the stage by itself: nothing of it is kept. Where it
fails, Python's debugger opens at your last frame; the lines that open the same inputs in a notebook
are printed. To stop elsewhere, write `breakpoint()` in your code.

  --no-pdb         opens no debugger; there is none either where nobody can answer it
  --traceback      shows every frame, not only yours
""",
    ),
    "doctor": Word(
        "doctor",
        "say whether environment, project and store are fit, and how to mend them",
        """\
aidn-run doctor [--json]

Looks at Python and the packages, torch and threads, the project and its trust, the store with its
disk and locks. Each finding is ok, a warning or a problem, with its place and its remedy. Exit
code 1 if there is a problem. Changes nothing.
""",
    ),
    "trust": Word(
        "trust",
        "let this workspace's own code run",
        """\
aidn-run trust

Records that the packages named under `[tool.aidn]` of this workspace may be imported. Read them
first. In CI set AIDN_TRUST=1 instead.
""",
    ),
    "completion": Word(
        "completion",
        "print what makes a shell complete commands: bash, zsh or fish",
        """\
aidn-run completion bash|zsh|fish

Prints a script: verbs, flags, recipes, keys and their values, stages and runs complete on TAB.

  bash   in ~/.bashrc:                      eval "$(aidn-run completion bash)"
  zsh    in ~/.zshrc, behind `compinit`:    eval "$(aidn-run completion zsh)"
  fish   in ~/.config/fish/config.fish:     aidn-run completion fish | source
""",
    ),
    "schema": Word(
        "schema",
        "write the JSON Schemas by which an editor completes and checks YAML",
        """\
aidn-run schema NAME
aidn-run schema --write [--in FOLDER] [--headers]

Prints one JSON Schema (2020-12), or writes all of them, with the components and presets of this
project in them: recipe (recipes and pipelines, as written), resolved (every value known, as
`show recipe=NAME` prints it), run (what `--json` prints), and one for the presets of each group.

  --write       writes them to .aidn/schemas; says which comment on top of a YAML file names its
                schema, so that an editor with the YAML language server finds it. Where they are
                there, every run keeps them fresh
  --in FOLDER   somewhere else, such as `schemas`, to be committed
  --headers     also writes that comment on top of the project's recipes and presets
""",
    ),
    "overview": Word(
        "overview", "", "aidn-run\n\nLists the recipes, the last run, the next command.\n"
    ),
}

HELP = "\n".join(
    [
        HELP_RUN,
        "Verbs (`aidn-run VERB --help` says more; `aidn` is the same program):",
        *(f"  {name:<8} {word.line}" for name, word in VERBS.items() if word.line),
        "",
        "Alone, aidn-run lists the recipes, the last run and the next command.",
    ]
)
