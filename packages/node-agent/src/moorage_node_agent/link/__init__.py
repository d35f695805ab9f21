"""What the kernel is asked by netlink: links, and the addresses on them."""
