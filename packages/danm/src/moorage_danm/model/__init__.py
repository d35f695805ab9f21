"""What is kept of DANM's objects, pods and nodes; pure, and shared by controller and webhook."""
