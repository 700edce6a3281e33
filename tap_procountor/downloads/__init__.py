"""Files: where they are kept and which are still to be downloaded."""
