"""The timeline of a recovery: past rows and upcoming steps, in words for people who are not engineers."""
