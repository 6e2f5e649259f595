"""What a study will cost before it runs, from what runs have cost here."""
