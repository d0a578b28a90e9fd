"""Every tool, called by a client of Python. Arguments: which one, then the server's command."""

import asyncio
import json
import sys

which, command, *args = sys.argv[1:]
CALLS = [
    ("activate_skill", {"name": "pdf", "arguments": "a b"}),
    ("use_skill", {"skill_name": "pdf", "input_data": {"city": "Berlin"}}),
    ("list_skills", {}),
    ("search_skills", {"query": "pdf wanted", "limit": 3}),
    ("read_skill_file", {"name": "pdf", "path": "references/api.md"}),
]


async def call_with_mcp():
    from mcp import ClientSession, StdioServerParameters
    from mcp.client.stdio import stdio_client

    texts = {}
    async with stdio_client(StdioServerParameters(command=command, args=args)) as (read, write):
        async with ClientSession(read, write) as session:
            await session.initialize()
            await session.list_tools()
            for name, arguments in CALLS:
                # It holds the structured content against the tool's schema too.
                result = await session.call_tool(name, arguments)
                texts[name] = result.content[0].text
    return texts


async def call_with_fastmcp():
    from fastmcp import Client

    texts = {}
    async with Client({"mcpServers": {"skills": {"command": command, "args": args}}}) as client:
        for name, arguments in CALLS:
            result = await client.call_tool(name, arguments)
            texts[name] = result.content[0].text
    return texts


async def call_with_langchain():
    from langchain_mcp_adapters.client import MultiServerMCPClient

    server = {"command": command, "args": args, "transport": "stdio"}
    tools = {tool.name: tool for tool in await MultiServerMCPClient({"skills": server}).get_tools()}
    texts = {}
    for name, arguments in CALLS:
        answer = await tools[name].ainvoke(arguments)
        texts[name] = answer if isinstance(answer, str) else answer[0]["text"]
    return texts


clients = {"mcp": call_with_mcp, "fastmcp": call_with_fastmcp, "langchain": call_with_langchain}
print(json.dumps(asyncio.run(clients[which]())))
