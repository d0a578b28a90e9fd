//! `ba-agent completions SHELL`, and what completion knows that the definition does not.

use clap::{Args, ValueEnum};
use clap_complete::env::{Bash, Elvish, EnvCompleter, Fish, Powershell, Zsh};

use super::CommandContext;
use ba_agent_core::error::Result;

/// The variable by which a shell's script asks this program for candidates.
pub(crate) const VARIABLE: &str = "BA_AGENT_COMPLETE";

/// Print the completion script of a shell.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    source <(ba-agent completions bash)\n  \
    mkdir -p ~/.zfunc && ba-agent completions zsh > ~/.zfunc/_ba-agent\n  \
    mkdir -p ~/.config/fish/completions && ba-agent completions fish > ~/.config/fish/completions/ba-agent.fish")]
pub(crate) struct Completions {
    /// The shell to complete in.
    #[arg(value_enum, value_name = "SHELL")]
    shell: Shell,
}

/// The shells that can ask us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    Bash,
    Elvish,
    Fish,
    Powershell,
    Zsh,
}

impl Completions {
    /// Prints the script that asks this program for completions.
    ///
    /// # Errors
    /// `Failed` where the script cannot be made.
    pub(crate) fn run(self, cx: &CommandContext<'_>) -> Result<u8> {
        let script = completion_script(self.shell)?;
        if cx.ui.json() {
            let shell = self.shell.to_possible_value().map(|value| value.get_name().to_owned());
            cx.ui.print_json_document(&serde_json::json!({ "shell": shell, "script": script }));
        } else {
            cx.ui.print(&script);
        }
        Ok(0)
    }
}

/// The script of a shell. It asks the program at every TAB (a start costs 2 ms), so that
/// names of installed skills are offered too.
///
/// # Errors
/// None in practice: it is written into memory.
pub(crate) fn completion_script(shell: Shell) -> Result<String> {
    let completer: &dyn EnvCompleter = match shell {
        Shell::Bash => &Bash,
        Shell::Elvish => &Elvish,
        Shell::Fish => &Fish,
        Shell::Powershell => &Powershell,
        Shell::Zsh => &Zsh,
    };
    if shell == Shell::Bash {
        return Ok(BASH.replace("VARIABLE", VARIABLE));
    }
    let mut script = Vec::new();
    completer.write_registration(VARIABLE, "ba_agent", "ba-agent", "ba-agent", &mut script)?;
    let script = String::from_utf8_lossy(&script).into_owned();
    Ok(if shell == Shell::Zsh { script.replace(ZSH_REGISTRATION, ZSH_REGISTRATION_OR_CALL) } else { script })
}

/// Bash takes `@`, `:` and `=` for the ends of words, which they are not in `pdf@market`,
/// `github:owner/repo` and `--ref=main`: the words are put together again, and of a candidate only
/// what stands behind the last of these signs is given back.
const BASH: &str = r#"_ba_agent() {
    local rest=${COMP_LINE:0:COMP_POINT} trimmed piece at last=-1 kept="" sign
    local words=()
    for ((at = 0; at <= COMP_CWORD; at++)); do
        trimmed=${rest#"${rest%%[![:space:]]*}"}
        piece=${COMP_WORDS[at]}
        ((at == COMP_CWORD)) && piece=$trimmed
        if ((at > 0)) && [[ $trimmed == "$rest" ]]; then
            words[last]+=$piece
        else
            words[++last]=$piece
        fi
        rest=${trimmed#"$piece"}
    done
    for sign in @ : =; do
        if [[ $COMP_WORDBREAKS == *"$sign"* && ${words[last]} == *"$sign"* ]]; then
            piece=${words[last]%"${words[last]##*"$sign"}"}
            # Bash counts this one to the word behind it.
            [[ $sign == @ ]] && piece=${piece%@}
            ((${#piece} > ${#kept})) && kept=$piece
        fi
    done
    COMPREPLY=()
    while IFS= read -r piece || [[ -n $piece ]]; do
        [[ -n $piece ]] && COMPREPLY+=("${piece#"$kept"}")
    done < <(_CLAP_COMPLETE_INDEX=$last VARIABLE=bash ba-agent -- "${words[@]}" 2>/dev/null)
    if [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *[=/:@] ]]; then
        compopt -o nospace 2>/dev/null
    fi
}
if ((BASH_VERSINFO[0] > 4 || (BASH_VERSINFO[0] == 4 && BASH_VERSINFO[1] >= 4))); then
    complete -o bashdefault -o nosort -F _ba_agent ba-agent
else
    complete -o bashdefault -F _ba_agent ba-agent
fi
"#;

const ZSH_REGISTRATION: &str = "compdef _clap_dynamic_completer_ba_agent ba-agent";

/// A file in `fpath` is run as the function of its name at the first TAB, which has to be answered.
const ZSH_REGISTRATION_OR_CALL: &str = r#"if [[ $funcstack[1] == _ba-agent ]]; then
    _clap_dynamic_completer_ba_agent "$@"
else
    compdef _clap_dynamic_completer_ba_agent ba-agent
fi"#;
