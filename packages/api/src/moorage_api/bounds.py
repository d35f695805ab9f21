"""Bounded strings: what our kinds are made of, since nothing that people write may be endless."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from moorage_domain.conditions import MESSAGE_LENGTH

LABEL_KEY_LENGTH = 317
"""Of Kubernetes' qualified names: a DNS name of 253 characters, a slash, and 63 more."""

Name = Annotated[str, Field(min_length=1, max_length=253)]
"""Name of an object."""
Label = Annotated[str, Field(max_length=63)]
"""A DNS label or the value of a label: a namespace, a zone, a region."""
Word = Annotated[str, Field(max_length=1024)]
"""A reason, or something else in one word."""
ConditionType = Annotated[str, Field(max_length=316)]
"""The aspect that a condition is about."""
Message = Annotated[str, Field(max_length=MESSAGE_LENGTH)]
"""Text for people."""
Timestamp = Annotated[str, Field(max_length=64)]
"""A time in RFC 3339."""
NodeName = Annotated[str, Field(max_length=253)]
"""Name of a node."""
Identifier = Annotated[str, Field(max_length=2048)]
"""What an API server or a cloud knows something by: a uid, a providerID, an ARM id."""
Handle = Annotated[str, Field(max_length=8192)]
"""What a cloud knows a mutation under way by; it may be a whole URL."""
