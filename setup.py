"""What pyproject.toml cannot say: every package is found, and the assets become one more."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["cxr_gradcam", "cxr_gradcam.*"]), "cxr_gradcam.assets"],
    package_dir={"cxr_gradcam.assets": "assets"},
)
