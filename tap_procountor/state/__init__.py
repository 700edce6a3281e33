"""What one run leaves for the next: bookmarks, the ids that were written, known rights."""
