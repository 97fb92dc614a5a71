"""What happened in a recovery and what comes next, in words for people who are not engineers."""
