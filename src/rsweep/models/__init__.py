"""A folder per model family: card.py (data, no torch) and network.py."""
