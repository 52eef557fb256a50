"""Taking applications of Open OnDemand over."""
