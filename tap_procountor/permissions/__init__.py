"""The rights of the key's user, and what they mean for a stream."""
