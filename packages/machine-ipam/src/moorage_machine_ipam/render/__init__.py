"""The addresses of a machine, rendered for each of their readers; all of it pure."""
