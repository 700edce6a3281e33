"""What a run leaves for the next: bookmarks, the ids it has written, known rights."""
