"""Model files whose samples are put into batches of several kinds."""
