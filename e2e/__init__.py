"""What is run by hand or by CI on a whole cluster."""
