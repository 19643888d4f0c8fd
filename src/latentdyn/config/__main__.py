"""Print the JSON schema of the config."""

from latentdyn.config import json_schema

print(json_schema(), end="")
