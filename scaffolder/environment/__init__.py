"""What is this machine? `report.inspect` asks small probes, each through the seam of `system`."""
