"""What every cloud plug-in does alike: a blocking SDK in threads, deadlines, options."""
