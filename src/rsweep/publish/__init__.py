"""Publishing: a study and its results as a package that an archive takes and others can read."""
