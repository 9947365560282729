"""Work that outlives the request that asked for it: a leased table of jobs, and the process that does them."""
