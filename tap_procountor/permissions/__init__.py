"""What the key's user may read, and what that means for a stream."""
