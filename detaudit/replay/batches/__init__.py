"""One model asked whether a sample notices the batch that it is in, in a process of its own."""
