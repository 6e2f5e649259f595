"""Why an artefact exists or would run, and where two profiles, studies or locks part."""
