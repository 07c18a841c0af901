"""`python -m hub_pipelines.validate.parsing`: the child process. Not for people."""

from hub_pipelines.validate.parsing.child import main

main()
