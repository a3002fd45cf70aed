"""What an installed package really offers: names and signatures, read without importing anything in this process."""

from gorilla_rag.signatures.binding import Fault, Given, binding_error, fault
from gorilla_rag.signatures.environment import Environment
from gorilla_rag.signatures.objects import ApiObject
from gorilla_rag.signatures.resolve import Resolved, Resolver, default_resolver, prefer, resolve

__all__ = [
    "ApiObject",
    "Environment",
    "Fault",
    "Given",
    "Resolved",
    "Resolver",
    "binding_error",
    "default_resolver",
    "fault",
    "prefer",
    "resolve",
]
