"""The admission service: says what will come of a pod's static addresses, before it is there."""
