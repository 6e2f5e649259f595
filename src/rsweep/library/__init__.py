"""For notebooks: one call that embeds places, and what a study's results hold."""
