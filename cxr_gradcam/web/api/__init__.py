"""Doors for programs: named endpoints of the running page, and the same as MCP tools."""
