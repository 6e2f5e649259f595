"""What everything stands on, and what stands on nothing of the project."""
