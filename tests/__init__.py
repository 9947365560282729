"""The tests of Waystation: a package, so that tests can share their helpers by name."""
