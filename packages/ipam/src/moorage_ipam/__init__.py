"""Addresses as objects: pools that give them away, and IPAllocations that say who has them."""
