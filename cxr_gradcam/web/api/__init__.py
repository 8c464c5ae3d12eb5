"""Interfaces for programs: named endpoints of the running page, also as MCP tools."""
