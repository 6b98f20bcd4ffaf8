"""Starting processes, and seeing them die."""
