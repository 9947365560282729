"""Our fakes, shipped so that whoever builds on Waystation can test with them: an upstream, a clock."""
