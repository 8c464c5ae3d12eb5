"""The web app: the page and the three-panel viewer."""
