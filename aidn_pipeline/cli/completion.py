"""`aidn-run completion`: what makes a shell complete commands."""

from collections.abc import Sequence

from aidn_pipeline.cli.arguments import parse
from aidn_pipeline.config.nearest import nearest
from aidn_pipeline.errors import UsageError

BASH = """\
# Completion of aidn-run in bash. In ~/.bashrc:  eval "$(aidn-run completion bash)"
_aidn_run() {
    local line="${COMP_LINE:0:COMP_POINT}" IFS=$'\\n' word head
    COMPREPLY=($(command "${COMP_WORDS[0]}" --complete bash "$line" 2>/dev/null))
    # Bash begins a word anew behind `=` and `:`, and puts in what stands behind them.
    word="${line##*[[:space:]]}"
    head="${word%"${word##*[=:]}"}"
    COMPREPLY=("${COMPREPLY[@]#"$head"}")
}
complete -o nospace -o default -F _aidn_run aidn-run aidn
"""
ZSH = """\
#compdef aidn-run aidn
# Completion of aidn-run in zsh. In ~/.zshrc, behind `compinit`:  eval "$(aidn-run completion zsh)"
_aidn_run() {
    local line="${(j: :)words[1,CURRENT-1]} ${PREFIX}" word about
    local -a open shut
    while IFS=$'\\t' read -r word about; do
        word="${word//:/\\\\:}${about:+:$about}"
        case "${word%%:*}" in
            *[=./]) open+=("$word") ;;
            *) shut+=("$word") ;;
        esac
    done < <(command "${words[1]}" --complete zsh "$line" 2>/dev/null)
    (( ${#open} + ${#shut} )) || { _files; return; }
    _describe -t open 'aidn-run' open -S '' -- shut -S ' '
}
compdef _aidn_run aidn-run aidn
"""
FISH = """\
# Completion of aidn-run in fish. In ~/.config/fish/config.fish:
#   aidn-run completion fish | source
for program in aidn-run aidn
    complete -c $program -e
    complete -c $program -k -a '(command '$program' --complete fish (commandline -cp))'
end
"""
SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH}


def main(given: Sequence[str]) -> int:
    """Prints the script of a shell.

    Returns:
        0.

    Raises:
        UsageError: if the shell is not one of them.
    """
    words = parse(given, {}, verb="completion").words
    if len(words) != 1 or words[0] not in SCRIPTS:
        raise UsageError(
            f"there is no completion for {words[0]!r}" if words else "completion of which shell?",
            where=" ".join(["aidn-run completion", *words]),
            remedy=nearest(words[0] if words else "", list(SCRIPTS), noun="shells"),
        )
    print(SCRIPTS[words[0]], end="")
    return 0
