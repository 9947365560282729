"""Where calls may go, as rows: providers, their credentials, deployments, routes, drills, and what administrators are told."""
