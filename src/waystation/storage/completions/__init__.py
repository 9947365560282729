"""Chat completions that were asked for with `store: true`."""
