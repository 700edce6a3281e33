"""What leaves the tap: Singer messages, progress and the run report."""
