"""What one asks with curl while something is being built or looked into."""
