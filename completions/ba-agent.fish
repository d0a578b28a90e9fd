complete --keep-order --exclusive --command ba-agent --arguments "(BA_AGENT_COMPLETE=fish ba-agent -- (commandline --current-process --tokenize --cut-at-cursor) (commandline --current-token))"
