"""Who has an address, asked and said on the network: ARP and neighbour discovery."""
