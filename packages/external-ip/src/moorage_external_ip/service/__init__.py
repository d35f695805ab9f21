"""What a Service asks for, gets, shares and gives back, and the claims that say so."""
