"""Where answers come from: one folder per upstream dialect. Each is handed the client it calls with."""
