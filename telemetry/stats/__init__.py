"""The reads that pages need, from the mirror's daily facts and rollups; never from raw events."""
