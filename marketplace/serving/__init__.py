"""The one marketplace that Agnes serves: curated plugins and live flea items, as a git
repository."""
