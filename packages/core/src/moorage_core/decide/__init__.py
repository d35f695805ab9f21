"""What to do about one allocation: pure rules from what was observed to a plan."""
