"""Static addresses of DANM: freed when their node is dead, never when it might live."""
