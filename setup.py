"""What pyproject.toml can't say: a wheel also has the workflow and the quickstart, for `dst-repro init`."""

import runpy
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).parent
STARTER = runpy.run_path(str(HERE / "dst_repro/cli/starter.py"))
FILES = STARTER["files"](HERE)


class WithStarter(build_py):
    """An editable installation has them at the top of the repository."""

    def run(self) -> None:
        super().run()
        for name, file in {} if self.editable_mode else FILES.items():
            target = Path(self.build_lib, STARTER["WITHIN"], name)
            self.mkpath(str(target.parent))
            self.copy_file(str(file), str(target))

    def get_source_files(self) -> list[str]:
        """For source distributions."""
        return [*super().get_source_files(), *FILES]


setup(cmdclass={"build_py": WithStarter})
