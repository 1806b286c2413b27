"""What detaudit costs, as ratios measured in one run, each beside its bar."""
