"""The reference implementation's procedures, reproduced for comparison."""
