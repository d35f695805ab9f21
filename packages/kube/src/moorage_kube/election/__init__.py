"""Who may write."""
