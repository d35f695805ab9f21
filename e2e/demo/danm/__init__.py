"""The part danm: static addresses of DANM."""
