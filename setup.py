"""Puts the YAML files of recipes, data and evaluation into the wheel; everything else about the package stands in setup.cfg.

They stay in their folders at the top of the repository, where users and documents name them, and become data of
`spatial_llm.yamls`, in the same folders, so that files which include each other find each other. setup.cfg takes packages
from a search or from a list; this needs both.
"""

from setuptools import find_packages, setup

FOLDERS = ("recipes/configs", "recipes/launch", "data/configs", "eval/tasks")
PACKAGES = {f"spatial_llm.yamls.{folder.replace('/', '.')}": folder for folder in FOLDERS}

setup(packages=[*find_packages(include=["spatial_llm*"]), *PACKAGES], package_dir=PACKAGES)
