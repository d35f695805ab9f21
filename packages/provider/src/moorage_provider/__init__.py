"""The provider protocol and what all cloud plug-ins share: SDK threads, deadlines, options."""
