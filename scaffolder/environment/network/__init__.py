"""Package indexes, model hubs, proxies, certificates and the clock."""
