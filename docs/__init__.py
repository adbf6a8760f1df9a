"""The documentation site: README cut into pages, and pages made of the catalogue, the hosts, the errors and real runs.

`python -m docs` builds it. README is the source of what both say: a page names the section that it shows, and no
section is left out. Nothing of this is part of the package that is installed.
"""
