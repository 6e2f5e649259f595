"""The subcommands of `rsweep`, a module each: ABOUT, arguments(parser), run(given)."""
