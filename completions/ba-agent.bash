_ba_agent() {
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
    done < <(_CLAP_COMPLETE_INDEX=$last BA_AGENT_COMPLETE=bash ba-agent -- "${words[@]}" 2>/dev/null)
    if [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *[=/:@] ]]; then
        compopt -o nospace 2>/dev/null
    fi
}
if ((BASH_VERSINFO[0] > 4 || (BASH_VERSINFO[0] == 4 && BASH_VERSINFO[1] >= 4))); then
    complete -o bashdefault -o nosort -F _ba_agent ba-agent
else
    complete -o bashdefault -F _ba_agent ba-agent
fi
