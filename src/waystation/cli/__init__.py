"""The commands, one file each. They read options, call the verbs of the other parts, and print: no decisions here."""
