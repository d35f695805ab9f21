"""What the Network Plumbing Working Group's standard writes into annotations; all of it pure."""
