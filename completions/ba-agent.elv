
set edit:completion:arg-completer[ba-agent] = { |@words|
    var index = (count $words)
    set index = (- $index 1)

    put (env _CLAP_IFS="\n" _CLAP_COMPLETE_INDEX=(to-string $index) BA_AGENT_COMPLETE="elvish" ba-agent -- $@words) | to-lines
}

