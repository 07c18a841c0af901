"""What a crash or a lost run left behind: found, mended where that is safe, and told."""
